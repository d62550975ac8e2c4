/**
 * The commands, and what they are called. Shortcuts stand in `schema/plugin.json`.
 */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ICommandPalette } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { applyEdits } from './fix';
import { goTo, indexOf, traceActiveCell } from './notebook';
import type { Sidebar } from './sidebar';
import type { INotebookState, INumguard } from './tokens';
import type { Finding } from './contract';

export namespace CommandIDs {
  export const open = 'numguard:open';
  export const next = 'numguard:next-finding';
  export const previous = 'numguard:previous-finding';
  export const fix = 'numguard:apply-rewrite';
  export const trace = 'numguard:trace-cell';
  export const watch = 'numguard:toggle-watch';
}

export function addCommands(
  app: JupyterFrontEnd,
  model: INumguard,
  sidebar: Sidebar,
  trans: TranslationBundle,
  palette: ICommandPalette | null
): void {
  const { commands } = app;
  const state = () => model.current;
  const hasFindings = () => (state()?.alarms.length ?? 0) > 0;
  let last: Finding | null = null;

  const step = async (by: 1 | -1): Promise<void> => {
    const current = state();
    const findings = inOrder(current);
    if (!current || !findings.length) {
      return;
    }
    const at = findings.findIndex(f => f.variable === last?.variable);
    last = findings[at < 0 && by < 0 ? findings.length - 1 : (at + by + findings.length) % findings.length];
    sidebar.choose(last);
    if (last.origin) {
      await goTo(current.notebook, last.origin);
    }
  };

  commands.addCommand(CommandIDs.open, {
    label: trans.__('Open the Numguard Panel'),
    execute: () => app.shell.activateById(sidebar.id)
  });
  commands.addCommand(CommandIDs.next, {
    label: trans.__('Next Non-Finite Variable'),
    isEnabled: hasFindings,
    execute: () => step(1)
  });
  commands.addCommand(CommandIDs.previous, {
    label: trans.__('Previous Non-Finite Variable'),
    isEnabled: hasFindings,
    execute: () => step(-1)
  });
  commands.addCommand(CommandIDs.fix, {
    label: trans.__('Apply the Rewrite for the Chosen Variable…'),
    isEnabled: hasFindings,
    execute: async () => {
      const current = state();
      const finding = inOrder(current).find(f => f.variable === last?.variable) ?? current?.alarms[0];
      const edits = finding?.diagnoses[0]?.rewrite?.edits ?? [];
      if (current && edits.length) {
        await applyEdits(current.notebook, edits, trans);
      }
    }
  });
  commands.addCommand(CommandIDs.trace, {
    label: trans.__('Trace This Cell (Put %1 on Top)', '%%numguard'),
    isEnabled: () => state() !== null,
    execute: () => {
      const current = state();
      if (current) {
        traceActiveCell(current.notebook);
      }
    }
  });
  commands.addCommand(CommandIDs.watch, {
    label: trans.__('Watch Every Cell'),
    isToggleable: true,
    isToggled: () => state()?.watching ?? false,
    isEnabled: () => state()?.presence === 'live',
    execute: () => state()?.run(state()?.watching ? 'off' : 'on')
  });
  for (const command of Object.values(CommandIDs)) {
    palette?.addItem({ command, category: 'Numguard' });
  }
}

/** The alarms in the order of the notebook. */
function inOrder(state: INotebookState | null): Finding[] {
  if (!state) {
    return [];
  }
  const at = (f: Finding) => indexOf(state.notebook, f.origin?.execution ?? null);
  return [...state.alarms].sort((a, b) => at(a) - at(b) || (a.origin?.line ?? 0) - (b.origin?.line ?? 0));
}
