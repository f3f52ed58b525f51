# Your first builds:
#
#   yix build -f examples/quickstart.nix      prints the store path of a text file
#   yix store cat /nix/store/…-quickstart     shows it
#
# Nothing is downloaded, and no compiler is needed: every builder here is a few lines for the sandbox's own /bin/sh, and uses no other program.
# Read from top to bottom; each step adds one idea.
let
  # A derivation says how to make something: which program to run (`builder`), with which arguments, in which environment. Every other attribute becomes
  # an environment variable of the builder. `out` is set for us: the store path that the builder has to create.
  # (`name: script: …` is a function of two arguments; `attributes // { … }` joins two sets.)
  shell = name: attributes: script: derivation (attributes // {
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-euc" script ]; # -e: stop at the first error; -u: a variable that is not set is one
  });

  # 1. The simplest: a file with three lines. Evaluating this expression builds nothing yet; it only says what would have to be done.
  names = shell "names.txt" { } ''
    printf '%s\n' Ada Grace Barbara > "$out"
  '';

  # 2. A build that uses another's result. `inherit names` makes an environment variable $names, the store path of names.txt; that this path
  #    stands in our environment is also how the evaluator knows that names.txt comes first. What this one writes is Nix code: a list of strings.
  generated = shell "generated.nix" { inherit names; } ''
    {
      echo '['
      while read -r name; do printf '  "%s"\n' "$name"; done < "$names"
      echo ']'
    } > "$out"
  '';

  # 3. Importing it. To know the list, the evaluator has to build `names` and `generated` now and read the result: a build drives the evaluation.
  people = import "${generated}";

  # 4. As many derivations as the list has names; none depends on another, so they are built at the same time.
  greetings = map (person: shell "greeting-${person}" { inherit person; } ''
    echo "Hello, $person!" > "$out"
  '') people;

  # 5. The last one puts them together and names its inputs. The store paths in its text are its references: whoever copies this file
  #    elsewhere with yix takes those along, because yix finds them by looking into the contents of what was built.
  quickstart = shell "quickstart" { inherit greetings generated; } ''
    {
      for greeting in $greetings; do # a list becomes its elements with spaces between
        while read -r line; do echo "$line"; done < "$greeting"
      done
      echo
      echo "Made from:"
      for input in $greetings $generated; do echo "  $input"; done
    } > "$out"
  '';
in
quickstart
