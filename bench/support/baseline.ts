import { execFileSync } from 'node:child_process'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './machine.ts'

/** Checks out the sources of a commit, with the packages of this checkout; `remove` deletes them. */
export function checkedOut(commit: string, directory: string): { readonly root: string; readonly remove: () => void } {
  const path = join(directory, commit)
  const git = (...args: string[]): void => {
    execFileSync('git', ['-C', root, 'worktree', ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  }
  try {
    git('add', '--detach', '--force', path, commit)
  } catch (error) {
    throw new Error(`commit ${commit} is needed to compare with; a shallow clone may lack it (git fetch --unshallow)`, {
      cause: error,
    })
  }
  symlinkSync(join(root, 'node_modules'), join(path, 'node_modules'))
  return { root: path, remove: () => git('remove', '--force', path) }
}
