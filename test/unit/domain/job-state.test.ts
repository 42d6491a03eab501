import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasEnded, type JobState, jobStates } from '../../../src/domain/job.ts'
import { type JobEvent, transitions } from '../../../src/domain/job-state.ts'

const events = Object.keys(transitions) as JobEvent[]

/** The way of an event from a state; null: it may not happen there. */
function goes(event: JobEvent, state: JobState): JobState | null {
  const { from, to } = transitions[event]
  return (from as readonly JobState[]).includes(state) ? to : null
}

test('of all events in all states just these may happen, and lead to these', () => {
  assert.equal(events.length * jobStates.length, 72)
  const arrows = events.flatMap((event) =>
    jobStates.flatMap((state) => (goes(event, state) ? `${state} ${event} ${goes(event, state)}` : [])),
  )
  assert.deepEqual(arrows.toSorted(), [
    'CANCELLED requeue QUEUED',
    'FAILED requeue QUEUED',
    'QUEUED begin RUNNING',
    'QUEUED beginAlone RUNNING',
    'QUEUED cancel CANCELLED',
    'QUEUED expire FAILED',
    'QUEUED postpone QUEUED',
    'RETRYING begin RUNNING',
    'RETRYING beginAlone RUNNING',
    'RETRYING cancel CANCELLED',
    'RETRYING expire FAILED',
    'RETRYING postpone QUEUED',
    'RUNNING begin RUNNING',
    'RUNNING beginAlone RUNNING',
    'RUNNING cancel CANCELLED',
    'RUNNING expire FAILED',
    'RUNNING fail FAILED',
    'RUNNING giveUp FAILED',
    'RUNNING handBack QUEUED',
    'RUNNING postpone QUEUED',
    'RUNNING progress RUNNING',
    'RUNNING retry RETRYING',
    'RUNNING succeed SUCCEEDED',
  ])
})

test('a state that is an end is left by no event but requeue, and SUCCEEDED by none', () => {
  for (const state of jobStates.filter(hasEnded)) {
    const left = events.filter((event) => goes(event, state) !== null)
    assert.deepEqual(left, state === 'SUCCEEDED' ? [] : ['requeue'])
  }
})

test('every state can be reached from QUEUED', () => {
  const reached = new Set<JobState>(['QUEUED'])
  for (const state of reached) {
    for (const event of events) {
      const next = goes(event, state)
      if (next) reached.add(next)
    }
  }
  assert.deepEqual([...reached].toSorted(), jobStates.toSorted())
})
