/**
 * How one error is written on standard error: as a line with a label, or as JSON. Without Effect.
 */

/** A message with its label. Where a trace comes first, nothing stands beside the label. */
export const labelled = (message: string): string => (message.startsWith("\n") ? `error:${message}` : `error: ${message}`)

/** A line of an error as one object, as `--error-format json` has them; an evaluator that was asked to has written its own already. */
export const jsonLine = (line: string, exitCode: number): string => {
  const text = line.replace(/^error: ?/, "")
  return text.startsWith('{"level":"error",')
    ? text
    : JSON.stringify({ level: "error", kind: "failure", message: text, position: null, trace: [], suggestions: [], exitCode })
}
