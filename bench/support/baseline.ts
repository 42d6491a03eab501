import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from './machine.ts'

/** Checks out a commit and installs its packages; `remove` deletes both. */
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
  execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: path, stdio: ['ignore', 'ignore', 'pipe'] })
  return { root: path, remove: () => git('remove', '--force', path) }
}
