/** Flake references against what Nix 2.34.8 makes of the same texts (`parseFlakeRef`, `flakeRefToString`). */
import { assert, describe, it } from "@effect/vitest"
import { type Attribute, checkInput, isComplete, isLocked, parseUrl, printUrl } from "../../src/nix/FlakeRef.ts"

const rev = "a3a3dda3bacf61e8a39258a0ed9c924eeca8e293"
const narHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
const escapedHash = "sha256-47DEQpj8HBSa%2B/TImW%2B5JCeuQeRkm5NMpJWZG3hSuFU%3D"

const parsed: ReadonlyArray<readonly [string, Readonly<Record<string, Attribute>>]> = [
  ["nixpkgs", { type: "indirect", id: "nixpkgs" }],
  ["nixpkgs/nixos-unstable", { type: "indirect", id: "nixpkgs", ref: "nixos-unstable" }],
  [`nixpkgs/${rev}`, { type: "indirect", id: "nixpkgs", rev }],
  [`nixpkgs/unstable/${rev}`, { type: "indirect", id: "nixpkgs", ref: "unstable", rev }],
  ["flake:nixpkgs/x?dir=a", { type: "indirect", id: "nixpkgs", ref: "x", dir: "a" }],
  ["github:NixOS/nixpkgs", { type: "github", owner: "NixOS", repo: "nixpkgs" }],
  ["github:NixOS/nixpkgs/pull/357207/head", { type: "github", owner: "NixOS", repo: "nixpkgs", ref: "pull/357207/head" }],
  [`github:a/b/${rev}`, { type: "github", owner: "a", repo: "b", rev }],
  ["github:a/b?ref=x&host=a.b&dir=d", { type: "github", owner: "a", repo: "b", ref: "x", host: "a.b", dir: "d" }],
  [`github:a/b?narHash=${escapedHash}`, { type: "github", owner: "a", repo: "b", narHash }],
  ["gitlab:veloren%2Fdev/rfcs", { type: "gitlab", owner: "veloren/dev", repo: "rfcs" }],
  ["sourcehut:~misterio/nix-colors/main", { type: "sourcehut", owner: "~misterio", repo: "nix-colors", ref: "main" }],
  ["git+https://h/p?ref=master", { type: "git", url: "https://h/p", ref: "master" }],
  ["git+https://h/p?submodules=1&shallow=0&dir=x", { type: "git", url: "https://h/p", submodules: true, shallow: false, dir: "x" }],
  ["git+https://u:p@h:80/a%20b?x=y", { type: "git", url: "https://u:p@h:80/a%20b?x=y" }],
  ["git+ssh://git@h:2222/~u/x.git", { type: "git", url: "ssh://git@h:2222/~u/x.git" }],
  ["git://h/p?ref=unstable", { type: "git", url: "git://h/p", ref: "unstable" }],
  ["https://h/master.tar.gz?x=1&dir=sub", { type: "tarball", url: "https://h/master.tar.gz?x=1", dir: "sub" }],
  ["file+https://h/file.tar.gz", { type: "file", url: "https://h/file.tar.gz" }],
  ["tarball+https://h/file", { type: "tarball", url: "https://h/file" }],
  ["path:../parent?lastModified=12", { type: "path", path: "../parent", lastModified: 12 }],
  ["path:/a%20b", { type: "path", path: "/a b" }],
  ["/home/user/sub", { type: "path", path: "/home/user/sub" }],
  ["hg+https://h/x?rev=abc", { type: "hg", url: "https://h/x", rev: "abc" }]
]

const refused: ReadonlyArray<readonly [string, string]> = [
  ["./sub/dir", "flake reference './sub/dir' is not an absolute path"],
  ["github:edolstra", "flake reference 'github:edolstra' is not an absolute path"],
  ["github:a/b#frag", "unexpected fragment 'frag' in flake reference 'github:a/b#frag'"],
  ["github:a/b?rev=zz", "hash 'zz' has wrong length for hash algorithm 'sha1'"],
  ["ssh://x/y", "input 'ssh://x/y' is unsupported"],
  ["path://host/a", "path URL 'path://host/a' should not have an authority ('host')"],
  ["path:/a?foo=1", "path URL 'path:/a?foo=1' has unsupported parameter 'foo'"],
  ["path:/a?revCount=x", "path URL 'path:/a?revCount=x' has invalid parameter 'revCount'"],
  ["nixpkgs/a/b", "in flake URL 'flake:nixpkgs/a/b', 'b' is not a commit hash"]
]

const printed: ReadonlyArray<readonly [Readonly<Record<string, Attribute>>, string]> = [
  [{ type: "github", owner: "a", repo: "b", ref: "x/y", dir: "q r", host: "h" }, "github:a/b/x%2Fy?dir=q%20r&host=h"],
  [{ type: "github", owner: "a/z", repo: "b", rev, narHash, lastModified: 12 }, `github:a%2Fz/b/${rev}?narHash=${escapedHash}`],
  [
    { type: "git", url: "https://a/b", ref: "x", rev, shallow: true, submodules: false, allRefs: true, dir: "x", revCount: 3 },
    `git+https://a/b?dir=x&ref=x&rev=${rev}&shallow=1`
  ],
  [{ type: "git", url: "/tmp/x" }, "git+file:///tmp/x"],
  [{ type: "path", path: "./a", lastModified: 3, rev, narHash }, `path:./a?lastModified=3&narHash=${escapedHash}&rev=${rev}`],
  [{ type: "tarball", url: "https://a/b.tar.gz", narHash }, `https://a/b.tar.gz?narHash=${escapedHash}`],
  [{ type: "indirect", id: "nixpkgs", dir: "x" }, "flake:nixpkgs?dir=x"],
  [{ type: "github", owner: "a$!", repo: "b", dir: "d'=&" }, "github:a%24%21/b?dir=d%27%3D%26"],
  [{ type: "indirect", id: "a", ref: "-b" }, "flake:a/-b"],
  [{ type: "path", path: "/a!b$(c)" }, "path:/a%21b%24%28c%29"],
  [{ type: "tarball", url: "https://u$:p@h/a!b%20c?x='y" }, "https://u%24:p@h/a%21b%20c?x=%27y"]
]

const unfit: ReadonlyArray<readonly [Readonly<Record<string, Attribute>>, RegExp]> = [
  [{ owner: "a", repo: "b" }, /'type' attribute to specify input scheme is required/],
  [{ type: "github", owner: "a" }, /input attribute 'repo' is missing/],
  [{ type: "github", owner: "a", repo: "b", nope: 1 }, /input attribute 'nope' not supported by scheme 'github'/],
  [{ type: "github", owner: "a", repo: "b", ref: "x", rev }, /contains both a commit hash .* and a branch\/tag name \('x'\)/],
  [{ type: "git", url: "https://a/b", ref: "a^b" }, /invalid Git branch\/tag name 'a\^b'/],
  [{ type: "github", owner: "a", repo: "b", ref: "-c" }, /input \{"owner":"a","ref":"-c",.*\} contains an invalid branch\/tag name/],
  [{ type: "path", path: "/a", lastModified: -1 }, /negative value given for flake ref attr lastModified: -1/],
  [{ type: "constructor" }, /is unsupported/]
]

const input = (attributes: Readonly<Record<string, Attribute>>) => new Map(Object.entries(attributes))

describe("flake references", () => {
  it.each(parsed)("reads %s", (url, attributes) => {
    assert.deepStrictEqual(Object.fromEntries(parseUrl(url, { flake: true })), attributes)
  })

  it.each(refused)("refuses %s", (url, message) => {
    assert.throws(() => parseUrl(url, { flake: true }), message)
  })

  it.each(printed)("prints %o", (attributes, url) => {
    assert.strictEqual(printUrl(checkInput(input(attributes), { flake: true })), url)
  })

  it.each(unfit)("refuses the attributes %o", (attributes, message) => {
    assert.throws(() => checkInput(input(attributes), { flake: true }), message)
  })

  it("takes neither short names, plain paths nor directories for trees", () => {
    assert.throws(() => parseUrl("nixpkgs", { flake: false }), "'nixpkgs' doesn't have a scheme")
    assert.throws(() => parseUrl("/tmp/x", { flake: false }), "'/tmp/x' doesn't have a scheme")
    assert.throws(() => parseUrl("path:/a?dir=b", { flake: false }), /unsupported parameter 'dir'/)
  })

  it("knows which inputs are locked, and which say all there is to know", () => {
    const lockFile = input({ type: "github", owner: "a", repo: "b", rev, narHash, lastModified: 1 })
    assert.isTrue(isLocked(lockFile) && isComplete(lockFile))
    assert.isFalse(isLocked(input({ type: "path", path: "/a", rev })))
    assert.isFalse(isComplete(input({ type: "git", url: "/a", rev, narHash, lastModified: 1 })), "its revCount is not known")
  })
})
