# Sourced by the launchers of a checkout. In: `name` (of the program), `source` (its TypeScript), `root` (the checkout).
# Out: `node`, and `program`: the bundle if it is built and newer than every source, else the source.

node=$root/node_modules/node/bin/node
if [ ! -x "$node" ]; then
  node=$(command -v node) || {
    echo "$name: Node is missing; run \`npm ci\` in $root" >&2
    exit 1
  }
  major=$("$node" --version | sed 's/^v\([0-9]*\).*/\1/')
  if [ "$major" -lt 24 ]; then
    echo "$name: Node $major is too old; run \`npm ci\` in $root, which brings the right one" >&2
    exit 1
  fi
fi

program=$root/dist/$name.cjs
if [ ! -f "$program" ] || [ -n "$(find "$root/src" -name '*.ts' -newer "$program" | head -n 1)" ]; then
  program=$root/$source
fi
