/**
 * The services that commands work with, composed from the common flags: the store, what fetches and builds, the realiser, the evaluator. Each command opens
 * only what it needs; modules of what it does not need are not even loaded.
 */
