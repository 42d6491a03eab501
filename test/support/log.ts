import { createLogger } from '../../src/platform/logger.ts'

export const silentLog = createLogger('silent')
