/**
 * What is loaded where something is evaluated, in one script: by the evaluator's thread, and by a main thread that evaluates itself. `LoadEvaluator.ts` loads it.
 */
export { evaluateHere } from "./EvaluationHere.ts"
export { serveThread } from "./EvaluatorWorker.ts"
