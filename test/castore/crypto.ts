/** Installs the host's hashing for the tests of this room. */
import { prepareNode } from "../../src/castore/crypto/Node.ts"

await prepareNode()
