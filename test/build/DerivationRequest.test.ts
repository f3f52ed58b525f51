/** Expectations were recorded from builds by Nix 2.34.8 with its sandbox on. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { installNode } from "../../src/castore/crypto/Node.ts"
import { derivationRequest, type DerivationRequestOptions } from "../../src/build/DerivationRequest.ts"
import { requestProblem } from "../../src/build/BuildRequest.ts"
import type { Closure } from "../../src/build/ReferencesGraph.ts"
import type { Digest } from "../../src/castore/Node.ts"
import * as Base32 from "../../src/nix/Base32.ts"
import type { Derivation } from "../../src/nix/Derivation.ts"
import type { StorePath } from "../../src/nix/StorePath.ts"
import type { PathInfo } from "../../src/store/PathInfo.ts"

installNode()

const path = (text: string) => text as StorePath
const out = path("/nix/store/s2iix3vj43rg9vnb3yjxkfr78x3a86fr-e")
const dev = path("/nix/store/89j64gy6izvsvgc4fhizczlij60c5b7x-e-dev")

const drv = (env: Readonly<Record<string, string>>, more: Partial<Derivation> = {}): Derivation => ({
  name: "e",
  outputs: new Map([
    ["dev", { path: dev, hashAlgorithm: "", hash: "" }],
    ["out", { path: out, hashAlgorithm: "", hash: "" }]
  ]),
  inputDerivations: new Map(),
  inputSources: [],
  system: "x86_64-linux",
  builder: "/bin/sh",
  args: ["-c", "true"],
  env: new Map(Object.entries(env)),
  ...more
})

const info = (text: string, narHash: string, narSize: number, references: ReadonlyArray<string>, ca?: string): PathInfo => ({
  path: path(text),
  node: { _tag: "File", digest: "0".repeat(64) as Digest, size: 1, executable: false },
  references: references.map(path),
  narSize,
  narHash: Base32.decode(narHash),
  signatures: [],
  deriver: undefined,
  ca,
  registrationTime: 0
})

const dep = "/nix/store/9afn85wjmx4amgabh3gpgzgf0fqq5244-dep"
const aa = "/nix/store/f5wxbs763dbfnmf0ijsja0hnnqv7gqwk-aa"
const bb = "/nix/store/pa23nhha2m9lxia950xs13h44cr5fn7h-bb"
const self = "/nix/store/kgsbapkbkn60dig86ax8pzh3cp2v1wff-self"
const depDrv = "/nix/store/4q983avqrn59scd5gi5f1gyd4przhafh-dep.drv"
const closure: Closure = new Map(
  [
    info(dep, "10wziz6kb63iqwhpqvvnznlb8rfg31a13jgyqa3bycm86cqmaybx", 160, [bb]),
    info(
      aa,
      "19d7mifi45mv9skq5wg07ygf8wqw26s68z727snim9glglp44cpj",
      120,
      [],
      "text:sha256:1zfziyh8h6pkxs85bragx1r9bm5b0pfqqw8975fpkmb4hb8fm6jm"
    ),
    info(
      bb,
      "1g4vlgln7q31dvcxn7m9xpz49k1xjmk151l9kclqxpm9d7rqzpna",
      160,
      [aa],
      "text:sha256:1bfyny36xidfl340801a9qpdc35p0z5jml41cf8wlkcrqzbdikm9"
    ),
    info(self, "1b3n6bg7z3mfxqg9355n8z9gmbjw79sjpfd8lg9a0av9f4b34by4", 168, [self]),
    info(depDrv, "1b3n6bg7z3mfxqg9355n8z9gmbjw79sjpfd8lg9a0av9f4b34by4", 300, [bb])
  ].map((one) => [one.path, one])
)

const translate = (derivation: Derivation, inputs: Closure = new Map(), options: DerivationRequestOptions = { cores: 2 }) =>
  Effect.map(derivationRequest(derivation, inputs, options), (made) => {
    assert.isUndefined(requestProblem(made.request))
    return {
      ...made,
      env: Object.fromEntries(made.request.environmentVars.map(({ key, value }) => [key, value])),
      files: Object.fromEntries(made.request.additionalFiles.map(({ path, contents }) => [path, Buffer.from(contents).toString("latin1")]))
    }
  })

const refusal = (derivation: Derivation, inputs?: Closure) => Effect.flip(translate(derivation, inputs))

const bytes = (text: string) => Buffer.from(text, "utf8").toString("latin1")

/** What every build gets besides its own variables. */
const usual = {
  HOME: "/homeless-shelter",
  NIX_BUILD_CORES: "2",
  NIX_BUILD_TOP: "/build",
  NIX_LOG_FD: "2",
  NIX_STORE: "/nix/store",
  PATH: "/path-not-set",
  PWD: "/build",
  TEMP: "/build",
  TEMPDIR: "/build",
  TERM: "xterm-256color",
  TMP: "/build",
  TMPDIR: "/build"
}

describe("the request of a derivation", () => {
  it.effect("has Nix's variables; some of them the derivation may set, others not", () =>
    Effect.gen(function* () {
      const plain = yield* translate(drv({ name: "e", out }))
      assert.deepStrictEqual(plain.env, { ...usual, name: "e", out })
      const own = {
        HOME: "/mine",
        TMPDIR: "/foo",
        PATH: "/bin:/usr/bin",
        PWD: "/x",
        TERM: "dumb",
        NIX_STORE: "zz",
        NIX_BUILD_CORES: "7",
        NIX_LOG_FD: "3",
        "odd-name": "v"
      }
      const { env } = yield* translate(drv(own))
      assert.deepStrictEqual(env, {
        ...usual,
        HOME: "/mine",
        PATH: "/bin:/usr/bin",
        NIX_STORE: "zz",
        NIX_BUILD_CORES: "7",
        "odd-name": "v"
      })
    })
  )

  it.effect("passes variables as files, whatever white space the list of them has", () =>
    Effect.gen(function* () {
      const { env, files } = yield* translate(
        drv({
          foo: "hello",
          bar: `x ${"/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9"}`,
          zoo: "",
          passAsFile: "  foo   bar\nzoo nope "
        })
      )
      assert.deepStrictEqual(env, {
        ...usual,
        passAsFile: "  foo   bar\nzoo nope ",
        fooPath: "/build/.attr-1bp7cri8hplaz6hbz0v4f0nl44rl84q1sg25kgwqzipzd1mv89ic",
        barPath: "/build/.attr-1fcgpy7vc4ammr7s17j2xq88scswkgz23dqzc04g8sx5vcp2pppw",
        zooPath: "/build/.attr-1v0amfyra8jw61yivy6m5i4a5zf2dwc1qvyqwm909f3ww74r7zi4"
      })
      assert.deepStrictEqual(files, {
        "build/.attr-1bp7cri8hplaz6hbz0v4f0nl44rl84q1sg25kgwqzipzd1mv89ic": "hello",
        "build/.attr-1fcgpy7vc4ammr7s17j2xq88scswkgz23dqzc04g8sx5vcp2pppw": `x ${out}`,
        "build/.attr-1v0amfyra8jw61yivy6m5i4a5zf2dwc1qvyqwm909f3ww74r7zi4": ""
      })
      const none = yield* translate(drv({ passAsFile: "" }))
      assert.deepStrictEqual(none.files, {})
    })
  )

  it.effect("has the paths of outputs in place of their placeholders, in arguments and variables", () =>
    Effect.gen(function* () {
      const placeholder = "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9"
      const { request, env } = yield* translate(
        drv({ flags: `--prefix=${placeholder}:${placeholder}/lib` }, { args: [placeholder, "plain"] })
      )
      assert.deepStrictEqual(request.commandArgs, ["/bin/sh", out, "plain"])
      assert.strictEqual(env["flags"], `--prefix=${out}:${out}/lib`)
    })
  )

  it.effect("lists outputs by path and tells their names; an only output may be called anything", () =>
    Effect.gen(function* () {
      const { request, outputNames } = yield* translate(drv({}), closure)
      assert.deepStrictEqual(request.outputs, [dev.slice(1), out.slice(1)])
      assert.deepStrictEqual(outputNames, ["dev", "out"])
      assert.deepStrictEqual(
        request.inputs.map(({ name }) => `/nix/store/${name}`),
        [depDrv, dep, aa, self, bb]
      )
      assert.deepStrictEqual(
        request.refscanNeedles,
        [dev, out, depDrv, dep, aa, self, bb].map((one) => one.slice(11, 43))
      )
      const lib = yield* translate(drv({}, { outputs: new Map([["lib", { path: dev, hashAlgorithm: "", hash: "" }]]) }))
      assert.deepStrictEqual(lib.outputNames, ["lib"])
      assert.isFalse(lib.request.constraints.networkAccess)
    })
  )

  it.effect("opens the network, and the variables asked for, to fixed outputs only", () =>
    Effect.gen(function* () {
      const fixed = { outputs: new Map([["out", { path: out, hashAlgorithm: "sha256", hash: "0".repeat(64) }]]) }
      const impureVariable = (name: string) => (name === "FOOX" ? "fx" : name === "TERM" ? "vt100" : undefined)
      const attributes = { impureEnvVars: "FOOX NOTSET TERM", out }
      const open = yield* translate(drv(attributes, fixed), new Map(), { cores: 2, impureVariable })
      assert.deepStrictEqual(open.env, { ...usual, ...attributes, FOOX: "fx", NOTSET: "", NIX_OUTPUT_CHECKED: "1" })
      assert.isTrue(open.request.constraints.networkAccess)
      const closed = yield* translate(drv(attributes), new Map(), { cores: 2, impureVariable })
      assert.deepStrictEqual(closed.env, { ...usual, ...attributes })
      assert.isFalse(closed.request.constraints.networkAccess)
    })
  )

  it.effect("writes structured attributes byte for byte as Nix does", () =>
    Effect.gen(function* () {
      const json = bytes(
        `{"big":10000000000.0,"big2":4294967297,"builder":"/bin/sh","ctrl":"\\u0001\u007fé\u2028","e":[],"emptys":"","eo":{},"f":1.5,"fa":false,"i":42,"l":[1,"b",true,null,2.0],"lf":[1.5],"ll":[[1]],"lo":[{}],"n":null,"name":"sa","neg":-7,"o":{"a":1,"b c":"d","z":null},"odd-name":1,"on":{"a":{"b":1}},"plc":"/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9","s":"a'b\\n\\"c\\"$x","system":"x86_64-linux","t":true,"uni":"zażółć\\t<>&/","whole":2.0}`
      )
      const { env, files } = yield* translate(drv({ __json: json, out }))
      assert.deepStrictEqual(env, { ...usual, NIX_ATTRS_JSON_FILE: "/build/.attrs.json", NIX_ATTRS_SH_FILE: "/build/.attrs.sh" })
      const withPaths = json
        .replace("/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9", out)
        .replace(`"plc"`, `"outputs":{"dev":"${dev}","out":"${out}"},"plc"`)
      assert.strictEqual(files["build/.attrs.json"], withPaths)
      const shell = [
        "declare big=-2147483648",
        "declare big2=1",
        "declare builder='/bin/sh'",
        "declare ctrl='\u0001\u007fé\u2028'",
        "declare -a e=()",
        "declare emptys=''",
        "declare -A eo=()",
        "declare fa=",
        "declare i=42",
        "declare -a l=(1 'b' 1 '' 2 )",
        "declare n=''",
        "declare name='sa'",
        "declare neg=-7",
        "declare -A o=(['a']=1 ['b c']='d' ['z']='' )",
        `declare -A outputs=(['dev']='${dev}' ['out']='${out}' )`,
        `declare plc='${out}'`,
        `declare s='a'\\''b\n"c"$x'`,
        "declare system='x86_64-linux'",
        "declare t=1",
        "declare uni='zażółć\t<>&/'",
        "declare whole=2"
      ]
      assert.strictEqual(files["build/.attrs.sh"], bytes(shell.map((line) => `${line}\n`).join("")))
    })
  )

  it.effect("exports graphs of references in both forms", () =>
    Effect.gen(function* () {
      const { files } = yield* translate(drv({ exportReferencesGraph: `g1 ${dep} g2 ${self}` }), closure)
      assert.strictEqual(files["build/g1"], `${dep}\n\n1\n${bb}\n${aa}\n\n0\n${bb}\n\n1\n${aa}\n`)
      assert.strictEqual(files["build/g2"], `${self}\n\n1\n${self}\n`)
      const ofDerivation = yield* translate(drv({ exportReferencesGraph: `g1 ${depDrv}` }), closure, { outputsOf: () => [path(dep)] })
      assert.strictEqual(ofDerivation.files["build/g1"], `${depDrv}\n\n1\n${bb}\n${dep}\n\n1\n${bb}\n${aa}\n\n0\n${bb}\n\n1\n${aa}\n`)
      const structured = yield* translate(drv({ __json: `{"exportReferencesGraph":{"g1":"${dep}","g2":["${self}",["${aa}"]]}}` }), closure)
      const g = (one: string) =>
        ({
          [dep]: `{"closureSize":440,"narHash":"sha256:10wziz6kb63iqwhpqvvnznlb8rfg31a13jgyqa3bycm86cqmaybx","narSize":160,"path":"${dep}","references":["${bb}"],"valid":true}`,
          [aa]: `{"ca":"text:sha256:1zfziyh8h6pkxs85bragx1r9bm5b0pfqqw8975fpkmb4hb8fm6jm","closureSize":120,"narHash":"sha256:19d7mifi45mv9skq5wg07ygf8wqw26s68z727snim9glglp44cpj","narSize":120,"path":"${aa}","references":[],"valid":true}`,
          [bb]: `{"ca":"text:sha256:1bfyny36xidfl340801a9qpdc35p0z5jml41cf8wlkcrqzbdikm9","closureSize":280,"narHash":"sha256:1g4vlgln7q31dvcxn7m9xpz49k1xjmk151l9kclqxpm9d7rqzpna","narSize":160,"path":"${bb}","references":["${aa}"],"valid":true}`,
          [self]: `{"closureSize":168,"narHash":"sha256:1b3n6bg7z3mfxqg9355n8z9gmbjw79sjpfd8lg9a0av9f4b34by4","narSize":168,"path":"${self}","references":["${self}"],"valid":true}`
        })[one]
      assert.strictEqual(
        structured.files["build/.attrs.json"],
        `{"exportReferencesGraph":{"g1":"${dep}","g2":["${self}",["${aa}"]]},"g1":[${g(dep)},${g(aa)},${g(bb)}],"g2":[${g(aa)},${g(self)}],"outputs":{"dev":"${dev}","out":"${out}"}}`
      )
    })
  )

  it.effect("tells which outputs drop their references", () =>
    Effect.gen(function* () {
      const { discardedReferences } = yield* translate(drv({ __json: `{"unsafeDiscardReferences":{"out":true,"dev":false}}` }))
      assert.deepStrictEqual([...discardedReferences], ["out"])
    })
  )

  it.effect("is refused, with the attribute that is wrong, where no builder could do it", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [Derivation, string, string]> = [
        [drv({}, { system: "builtin" }), "UnsupportedSystem", "builtin"],
        [drv({}, { builder: "builtin:fetchurl" }), "UnsupportedSystem", "builtin"],
        [drv({ requiredSystemFeatures: "big-parallel kvm quantum" }), "UnsupportedFeatures", "'kvm', 'quantum'"],
        [drv({ __noChroot: "1" }), "InvalidDerivation", "__noChroot"],
        [drv({ __json: "{" }), "InvalidDerivation", "JSON"],
        [drv({ __json: "[]" }), "InvalidDerivation", "not an object"],
        [drv({ __json: `{"requiredSystemFeatures":"x"}` }), "InvalidDerivation", "list of strings"],
        [drv({ exportReferencesGraph: "a" }), "InvalidDerivation", "odd number"],
        [drv({ exportReferencesGraph: `.a ${dep}` }), "InvalidDerivation", "file name '.a'"],
        [drv({ exportReferencesGraph: "a /etc/passwd" }), "InvalidDerivation", "not in the store"],
        [drv({ exportReferencesGraph: `a ${dep}` }), "InvalidDerivation", "not among the inputs"],
        [
          drv({}, { outputs: new Map([["out", { path: "", hashAlgorithm: "r:sha256", hash: "" }]]) }),
          "InvalidDerivation",
          "content-addressed"
        ],
        [
          drv({}, { outputs: new Map([["lib", { path: out, hashAlgorithm: "sha256", hash: "0".repeat(64) }]]) }),
          "InvalidDerivation",
          "named"
        ]
      ]
      for (const [derivation, tag, text] of cases) {
        const error = yield* refusal(derivation)
        assert.strictEqual(error._tag, tag, text)
        assert.include(error.message, text)
      }
    })
  )

  it.effect("does not mind features that are only about size", () =>
    Effect.asVoid(translate(drv({ requiredSystemFeatures: "big-parallel benchmark" })))
  )
})
