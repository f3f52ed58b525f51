/** The version of Nix that the language, its builtins and what is printed are those of: `builtins.nixVersion`. */
export const nixVersion = "2.34.8"
