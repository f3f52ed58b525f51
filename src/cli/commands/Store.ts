/**
 * `yix store …`: commands on the store alone.
 */
import * as Command from "effect/cli/Command"
import { addCommand } from "./store/Add.ts"
import { catCommand } from "./store/Cat.ts"
import { checkoutCommand } from "./store/Checkout.ts"
import { exportCommand } from "./store/Export.ts"
import { generateKeyCommand } from "./store/GenerateKey.ts"
import { importCommand } from "./store/Import.ts"
import { lsCommand } from "./store/Ls.ts"
import { pathInfoCommand } from "./store/PathInfo.ts"
import { signCommand } from "./store/Sign.ts"
import { verifyCommand } from "./store/Verify.ts"

export const storeCommand = Command.make("store").pipe(
  Command.withDescription("Look at the store, and bring things in and out"),
  Command.withSubcommands([
    addCommand,
    lsCommand,
    catCommand,
    pathInfoCommand,
    exportCommand,
    importCommand,
    checkoutCommand,
    verifyCommand,
    signCommand,
    generateKeyCommand
  ])
)
