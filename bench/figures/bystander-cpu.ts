import { bystanderFigure } from '../bystander.ts';

export const bystanderCpu = bystanderFigure('bystander-cpu', 'keeps all processors busy with 32 processes', {
  work: 'sum(range(200_000))',
  attack: 'for i in $(seq 32); do while :; do :; done & done; wait',
  resources: {},
});
