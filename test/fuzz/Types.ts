/**
 * The types by which programs are generated: `int`, `[string]`, `{a=int;b=bool}`, `int->bool`, and the variables `T` and `U` of templates.
 */

export type Type =
  | { readonly kind: "int" | "float" | "bool" | "string" | "path" | "null" | "any" | "json" | "toml" | "flake" | "T" | "U" }
  | { readonly kind: "list"; readonly of: Type }
  | { readonly kind: "set"; readonly fields: ReadonlyArray<readonly [string, Type]> }
  | { readonly kind: "function"; readonly from: Type; readonly to: Type }

/** Reads a type; fails where it is none. */
export const readType = (text: string): Type => {
  let at = 0
  const fail = (): never => {
    throw new Error(`no type: ${text} at ${at}`)
  }
  const word = (): string => {
    const found = /^[a-zA-Z_]+/.exec(text.slice(at))?.[0] ?? fail()
    at += found.length
    return found
  }
  const expect = (sign: string): void => {
    if (!text.startsWith(sign, at)) fail()
    at += sign.length
  }
  const simple = (): Type => {
    if (text[at] === "[") {
      at++
      const of = read()
      expect("]")
      return { kind: "list", of }
    }
    if (text[at] === "(") {
      at++
      const inner = read()
      expect(")")
      return inner
    }
    if (text[at] === "{") {
      at++
      const fields: Array<readonly [string, Type]> = []
      while (text[at] !== "}") {
        const name = word()
        expect("=")
        fields.push([name, read()])
        if (text[at] === ";") at++
      }
      at++
      return { kind: "set", fields }
    }
    const kind = word()
    return ["int", "float", "bool", "string", "path", "null", "any", "json", "toml", "flake", "T", "U"].includes(kind)
      ? ({ kind } as Type)
      : fail()
  }
  const read = (): Type => {
    const from = simple()
    if (!text.startsWith("->", at)) return from
    at += 2
    return { kind: "function", from, to: read() }
  }
  const type = read()
  return at === text.length ? type : fail()
}

export const showType = (type: Type): string => {
  switch (type.kind) {
    case "list":
      return `[${showType(type.of)}]`
    case "set":
      return `{${type.fields.map(([name, of]) => `${name}=${showType(of)}`).join(";")}}`
    case "function":
      return `(${showType(type.from)})->${showType(type.to)}`
    default:
      return type.kind
  }
}

/** The type with its variables filled in. */
export const fill = (type: Type, T: Type, U: Type): Type => {
  switch (type.kind) {
    case "T":
      return T
    case "U":
      return U
    case "list":
      return { kind: "list", of: fill(type.of, T, U) }
    case "set":
      return { kind: "set", fields: type.fields.map(([name, of]) => [name, fill(of, T, U)] as const) }
    case "function":
      return { kind: "function", from: fill(type.from, T, U), to: fill(type.to, T, U) }
    default:
      return type
  }
}

/** Whether a template that gives `given` can make a `wanted`: what `T` (and `U`) would have to be, or undefined. */
export const unify = (given: Type, wanted: Type, bound: { T?: Type; U?: Type } = {}): { T?: Type; U?: Type } | undefined => {
  if (given.kind === "T" || given.kind === "U") {
    const before = bound[given.kind]
    if (before === undefined) return { ...bound, [given.kind]: wanted }
    return showType(before) === showType(wanted) ? bound : undefined
  }
  if (given.kind === "list" && wanted.kind === "list") return unify(given.of, wanted.of, bound)
  if (given.kind === "function" && wanted.kind === "function") {
    const from = unify(given.from, wanted.from, bound)
    return from === undefined ? undefined : unify(given.to, wanted.to, from)
  }
  return showType(given) === showType(wanted) ? bound : undefined
}
