/**
 * What the live channel told: executions, and what is non-finite now.
 */
import type { CheckedExecution, Finding, LiveMessage, Report } from './contract';

const LONGEST = 500; // executions, as in `live.py`

export class History {
  executions: CheckedExecution[] = [];
  findings: Finding[] = [];
  watching = false;
  muted: string[] = [];

  receive(message: LiveMessage): void {
    switch (message.type) {
      case 'snapshot':
        this.executions = message.executions;
        this.findings = message.findings;
        this.watching = message.watching;
        this.muted = message.muted;
        break;
      case 'execution': {
        const { findings, type, ...execution } = message;
        this.executions = [...this.executions.slice(-LONGEST + 1), execution];
        this.findings = findings ?? this.findings;
      }
    }
  }
}

/** The newest execution with all that is non-finite now, as one report. */
export function reportOf({ executions, findings }: History): Report | null {
  const last = executions[executions.length - 1];
  if (!last) {
    return null;
  }
  const { count, cell_id, mode, status, not_traced, checked, seconds } = last;
  return {
    schema_version: 1,
    mode,
    verdict: findings.some(f => f.intended === null) ? 'nonfinite' : 'finite',
    execution: { count, cell_id, source: '', status, not_traced },
    checked,
    seconds,
    findings
  };
}
