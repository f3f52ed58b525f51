/** Installs the host's hashing for the tests of this room. */
import { installNode } from "../../src/castore/crypto/Node.ts"

installNode()
