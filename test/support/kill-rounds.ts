/**
 * How often each test repeats what it kills, stops, restarts or freezes. KILL_ROUNDS sets it: 1 without it, 5 in .ci/run. Each
 * round proves the guarantee; more rounds find what happens seldom.
 */
export const killRounds = roundsOf(process.env.KILL_ROUNDS)

/** Where an option of the job alternates between rounds, or what the second round finds is the point: never fewer than two. */
export const atLeastTwoRounds = Math.max(2, killRounds)

function roundsOf(setting = '1'): number {
  const rounds = Number(setting)
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`KILL_ROUNDS="${setting}" is wrong: a whole number from 1`)
  return rounds
}
