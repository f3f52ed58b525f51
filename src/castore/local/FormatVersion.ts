/** The version of everything in a local store's directory: schema and files. A reader refuses a later one. */
export const formatVersion = 1
