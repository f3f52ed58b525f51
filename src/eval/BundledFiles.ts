/**
 * Nix files that come with the evaluator: `<nix/fetchurl.nix>`. The text is ours; the derivation it makes is that of Nix, byte for byte.
 */
import type { ByteString } from "../nix/Bytes.ts"
import { flakeSource } from "./FlakeSource.ts"

const fetchurl = `
# A derivation for 'builtin:fetchurl', which the realiser turns into a fetch.
{ url
, hash ? ""
, md5 ? "", sha1 ? "", sha256 ? "", sha512 ? ""
, outputHash ?
    if hash != "" then hash
    else if sha512 != "" then sha512
    else if sha1 != "" then sha1
    else if md5 != "" then md5
    else sha256
, outputHashAlgo ?
    if hash != "" then ""
    else if sha512 != "" then "sha512"
    else if sha1 != "" then "sha1"
    else if md5 != "" then "md5"
    else "sha256"
, executable ? false
, unpack ? false
, name ? baseNameOf (toString url)
, impure ? false
, system ? "" # ignored: older callers pass it
}:

derivation ({
  builder = "builtin:fetchurl";
  outputHashMode = if unpack || executable then "recursive" else "flat";
  system = "builtin";
  inherit name url executable unpack;
  preferLocalBuild = true;
  impureEnvVars = [ "http_proxy" "https_proxy" "ftp_proxy" "all_proxy" "no_proxy" ];
  urls = [ url ];
} // (if impure then { __impure = true; } else { inherit outputHashAlgo outputHash; }))
`

/** Where they seem to be. Nothing else can be there: no host path starts so. */
export const bundledPrefix = "/__corepkgs__"

const files: ReadonlyMap<ByteString, ByteString> = new Map([
  [`${bundledPrefix}/fetchurl.nix`, fetchurl],
  [`${bundledPrefix}/flake.nix`, flakeSource]
])

/** The text of a bundled file. */
export const bundledFile = (path: ByteString): ByteString | undefined => files.get(path)
