import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/** Whether a name or an address, without brackets, means this machine and no other. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || (isIP(host) !== 0 && ipaddr.process(host).range() === 'loopback')
