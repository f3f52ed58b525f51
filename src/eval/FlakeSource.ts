/**
 * How a flake becomes a value, in Nix: `flake.nix` is read, its inputs come from `flake.lock` where that has them as they are asked for, else they are fetched; each input when
 * something needs it. Written from the descriptions of `flake.nix` and of lock files (versions 5 to 7) in the Nix manual.
 */

export const flakeSource = `
# fetch: reference (attributes) -> tree. tree, directory: those of the flake.
fetch: tree: directory:

let
  inherit (builtins)
    attrNames elem filter fromJSON functionArgs hasAttr head intersectAttrs isAttrs isFunction isList isString listToAttrs map mapAttrs match
    parseFlakeRef pathExists readFile removeAttrs split substring tail;

  below = path: dir: if dir == "" || dir == "." then path else path + "/" + dir;

  # "a/b" as [ "a" "b" ].
  steps = text: filter (step: isString step && step != "") (split "/" text);

  # A path relative to a directory of a tree, without "." and "..".
  resolve = base: relative:
    let
      walk = done: rest:
        if rest == [ ] then done
        else if head rest == "." then walk done (tail rest)
        else if head rest == ".." then
          if done == [ ] then throw "input path '\${relative}' leads out of the tree of its flake"
          else walk (tail done) (tail rest)
        else walk ([ (head rest) ] ++ done) (tail rest);
      reverse = list: if list == [ ] then [ ] else reverse (tail list) ++ [ (head list) ];
      join = list: if list == [ ] then "" else if tail list == [ ] then head list else head list + "/" + join (tail list);
    in join (reverse (walk [ ] (steps base ++ steps relative)));

  isRelative = reference: (reference.type or "") == "path" && substring 0 1 reference.path != "/";

  # What an entry of \`inputs\` asks for, as the attributes of a reference.
  referenceOf = name: input:
    if input ? url then
      (if match "\\\\.\\\\.?(/.*)?" (toString input.url) != null then { type = "path"; path = toString input.url; } else parseFlakeRef (toString input.url))
      // removeAttrs input [ "url" "flake" "inputs" "follows" ]
    else if input ? type then removeAttrs input [ "flake" "inputs" "follows" ]
    else { type = "indirect"; id = name; };

  # Inputs as declared: those of the attribute \`inputs\`, and the other arguments of \`outputs\`.
  declaredBy = flake:
    listToAttrs (map (name: { inherit name; value = { }; }) (filter (name: name != "self") (attrNames (functionArgs flake.outputs))))
    // flake.inputs or { };

  tidy = original: removeAttrs original [ "__final" ];

  readFlake = directory:
    let
      file = directory + "/flake.nix";
      flake = import file;
    in
      if !isAttrs flake then throw "file '\${file}' must be an attribute set"
      else if !(flake ? outputs) then throw "flake '\${directory}' lacks attribute 'outputs'"
      else if !(isFunction flake.outputs) then throw "attribute 'outputs' of flake '\${directory}' must be a function"
      else flake;

  # The value of a flake: what it puts out, and what it is made of. inputsOf: flake -> self -> values of its inputs.
  makeFlake = { sourceInfo, info, dir, inputsOf }:
    let
      outPath = below sourceInfo.outPath dir;
      flake = readFlake outPath;
      inputs = inputsOf flake result;
      outputs = flake.outputs (inputs // { self = result; });
      result = outputs // info // { inherit outPath inputs outputs sourceInfo; _type = "flake"; };
    in result;

  makeSource = { sourceInfo, info, dir }: info // { inherit sourceInfo; outPath = below sourceInfo.outPath dir; };

  # The tree and the directory in it that a reference means; \`parent\` is where a relative path begins.
  placeOf = reference: parent:
    if isRelative reference then {
      sourceInfo = { inherit (parent.sourceInfo) outPath; };
      info = { };
      dir = resolve parent.dir reference.path;
    } else rec {
      sourceInfo = fetch (removeAttrs (tidy reference) [ "dir" ]);
      info = sourceInfo;
      dir = resolve "" (reference.dir or "");
    };

  readLock = place:
    let
      file = below place.sourceInfo.outPath place.dir + "/flake.lock";
      lock = fromJSON (readFile file);
    in
      if !(pathExists file) then { nodes.root = { }; root = "root"; }
      else if lock.version < 5 || lock.version > 7 then throw "lock file '\${file}' has unsupported version \${toString lock.version}"
      else lock;

  # The values of a lock file's nodes, by their keys.
  lockedNodes = lock: rootPlace: rootValue:
    let
      keyAt = key: path: if path == [ ] then key else keyAt (keyOf (inputsOf key).\${head path}) (tail path);
      keyOf = reference: if isList reference then keyAt lock.root reference else reference;
      inputsOf = key: lock.nodes.\${key}.inputs or { };
      lockedPlace = node: parent:
        if isRelative node.locked then { inherit (parent) sourceInfo info; dir = resolve parent.dir node.locked.path; }
        else placeOf ({ dir = node.original.dir or ""; } // node.locked) parent;
      places = mapAttrs
        (key: node:
          if key == lock.root then rootPlace
          else lockedPlace node places.\${keyAt lock.root (node.parent or [ ])})
        lock.nodes;
      values = mapAttrs
        (key: node:
          if key == lock.root then rootValue
          else if node.flake or true then makeFlake (places.\${key} // { inputsOf = _: _: mapAttrs (_: reference: values.\${keyOf reference}) (node.inputs or { }); })
          else makeSource places.\${key})
        lock.nodes;
    in values;

  # Whether a lock file's node is for what is asked for, with the inputs that are overridden in it.
  fits = lock: key: name: input:
    let
      node = lock.nodes.\${key};
      inner = node.inputs or { };
      innerFits = innerName: innerInput:
        if innerInput ? follows then hasAttr innerName inner && isList inner.\${innerName}
        else if innerInput ? url || innerInput ? type then hasAttr innerName inner && isString inner.\${innerName} && fits lock inner.\${innerName} innerName innerInput
        else true;
    in
      removeAttrs node.original [ "flake" ] == referenceOf name input
      && (node.flake or true) == (input.flake or true)
      && filter (innerName: !(innerFits innerName input.inputs.\${innerName})) (attrNames (input.inputs or { })) == [ ];

  # The inputs of a flake that stands at \`place\`; \`overrides\`: values that its user puts in the place of some, or sets of overrides of theirs.
  inputValues = place: overrides: flake: self:
    let
      lock = readLock place;
      nodes = lockedNodes lock place self;
      lockedInputs = lock.nodes.\${lock.root}.inputs or { };
      # The input that a path such as [ "a" "b" ] leads to; the empty one to the flake itself.
      follow = path: if path == [ ] then self else followIn values path;
      followIn = inputs: path:
        let next = inputs.\${head path} or (throw "an input follows '\${head path}', which is no input");
        in if tail path == [ ] then next else followIn next.inputs (tail path);
      values = mapAttrs
        (name: input:
          let
            override = overrides.\${name} or { };
            reference = referenceOf name input;
            innerOverrides = mapAttrs
              (_: inner:
                if inner ? follows then { value = follow (steps inner.follows); }
                else { inherit place; input = inner; })
              (input.inputs or { });
          in
            if override ? value then override.value
            else if override ? input && (override.input ? url || override.input ? type) then fresh override.place name override.input { }
            else if input ? follows then follow (steps input.follows)
            else if overrides == { } && hasAttr name lockedInputs && isString lockedInputs.\${name} && fits lock lockedInputs.\${name} name input
            then nodes.\${lockedInputs.\${name}}
            else fresh place name input innerOverrides)
        (declaredBy flake);
    in values;

  # An input that no lock file has. The directories of the flakes that led to it are its place's \`parents\`: one of them again would go on for ever.
  fresh = place: name: input: overrides:
    let
      there = placeOf (referenceOf name input) place;
      at = below there.sourceInfo.outPath there.dir;
      inner = there // { parents = place.parents ++ [ at ]; };
    in
      if !(input.flake or true) then makeSource there
      else if elem at place.parents then throw "found circular import of flake '\${at}' by the input '\${name}'"
      else makeFlake (there // { inputsOf = inputValues inner overrides; });

  dir = resolve "" directory;
  place = { sourceInfo = info; inherit info dir; };
  flake = readFlake (below tree.outPath dir);
  declared = declaredBy flake;
  lock = readLock { sourceInfo = tree; inherit dir; };
  locked = lock.nodes.\${lock.root}.inputs or { };
  isLocked = name: input: hasAttr name locked && (if input ? follows then isList locked.\${name} else isString locked.\${name} && fits lock locked.\${name} name input);
  upToDate = filter (name: !(isLocked name declared.\${name})) (attrNames declared) == [ ];
  # A commit that lacks locks is not all that the value is made of: it has no revision then, as in Nix.
  info = if upToDate then tree else removeAttrs tree [ "rev" "shortRev" "revCount" ];
in
  makeFlake (place // { inputsOf = inputValues (place // { parents = [ (below tree.outPath dir) ]; }) { }; })
`
