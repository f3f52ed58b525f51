/**
 * How a binding of a set is written. The first three are also the `how` of AttributeSet nodes (`Kind.ts`); all are what a record of the parser says (`Bindings.ts`).
 *
 * Constants of a module, not an object's: then the bundler writes the numbers where they are used. Pure: imports nothing.
 */

export const Plain = 0
export const Inherit = 1
export const InheritFrom = 2
/** `${e} = value`: the name is an expression node. */
export const Dynamic = 3
/** `a.b.c = value`: the name is an index into `paths`. */
export const Path = 4
/** The source of an `inherit (source)`: only the value counts. `InheritFrom` records after it (with no value) belong to it. */
export const Source = 5
