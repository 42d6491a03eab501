// Runs on any Node. Says what to do if the project's own Node (an optional dependency) was not installed.
const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  console.error(
    `Finstage needs Node 24 and this is ${process.version}. The project brings its own: run "npm ci" without --omit=optional ` +
      'on Linux (x64 or arm64), or install Node 24 yourself.',
  )
  process.exit(1)
}
