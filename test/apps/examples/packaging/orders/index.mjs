import { here } from './lib.mjs';
import list from '../shared/list.js';

export const handler = async () => list(here);
