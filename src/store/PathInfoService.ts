/**
 * The path-info service: which store paths exist. Its `put` is the commit point of every write to a store: blobs and directories first,
 * leaves before roots, then the path info. Contract: `test/store/pathinfo.contract.ts`.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type { CastoreError } from "../castore/CastoreError.ts"
import type { StorePath } from "../nix/StorePath.ts"
import type { Offer } from "./Offer.ts"
import type { PathInfo } from "./PathInfo.ts"

export class PathInfoService extends Context.Service<
  PathInfoService,
  {
    /** `None` when the store does not have the path. */
    get(path: StorePath): Effect.Effect<Option.Option<PathInfo>, CastoreError>
    /** By the 32 nixbase32 characters of the hash part. */
    getByHashPart(hashPart: string): Effect.Effect<Option.Option<PathInfo>, CastoreError>
    /** Durable when it returns. Replaces an earlier entry of the same path, keeping the union of both signature lists. */
    put(info: PathInfo): Effect.Effect<PathInfo, CastoreError>
    /** The paths alone, for checking: goes on where `list` would fail at a damaged entry. */
    paths(): Stream.Stream<StorePath, CastoreError>
    list(): Stream.Stream<PathInfo, CastoreError>
    /**
     * What is known of the path with this hash part before its content is moved; see `Offer.ts`, whose functions are to be used. Absent where `get` moves
     * nothing either.
     */
    offer?(hashPart: string): Effect.Effect<Option.Option<Offer>, CastoreError>
  }
>()("yix/store/PathInfoService") {}
