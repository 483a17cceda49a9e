/** The command line tool `berth`: a table of commands over the native REST API. */
export { commands } from './commands.ts';
export { berthPage, optionTerms, renderPage, roff, terms } from './man.ts';
export type { ManualPage } from './man.ts';
