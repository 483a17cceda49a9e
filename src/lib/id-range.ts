/**
 * How many users, and how many groups, an app has to itself: as many as 16 bits tell apart. Inside its user namespace
 * they are numbered from 0, on the host from the first of its range.
 */
export const idsPerApp = 65_536;
