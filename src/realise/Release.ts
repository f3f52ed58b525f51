/** The version of yix, for what is kept from run to run. Not out of `package.json`, which is not where the library's files would look for it; a test compares both. */
export const release = "0.1.0"
