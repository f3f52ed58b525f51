/**
 * Opens a file at a line in the user's editor, and waits for it.
 */
import { spawn } from "node:child_process"
import * as path from "node:path"

/** Editors that take `+LINE`. */
const takesLine = /^(?:vi|vim|nvim|view|nano|emacs|emacsclient|kak|hx|micro|joe|pico|ne|mg)$/

/** Ends when the editor ends; fails with a message where there is none or it fails. */
export const openEditor = async (file: string, line: number): Promise<void> => {
  const command = process.env["VISUAL"] || process.env["EDITOR"]
  if (command === undefined || command === "") throw new Error(`set $EDITOR to the program that shall open '${file}'`)
  const [program = "", ...args] = command.trim().split(/\s+/)
  const place = takesLine.test(path.basename(program)) && line > 1 ? [`+${line}`] : []
  await new Promise<void>((resolve, reject) => {
    const child = spawn(program, [...args, ...place, file], { stdio: ["inherit", 2, 2] })
    child.once("error", (error) => reject(new Error(`cannot start the editor '${program}': ${error.message}`)))
    child.once("exit", (code, signal) =>
      code === 0
        ? resolve()
        : reject(new Error(`the editor '${program}' ${signal === null ? `ended with status ${code}` : `was ended by ${signal}`}`))
    )
  })
}
