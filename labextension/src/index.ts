/**
 * The plugins: the model, the side panel with its commands, the marks, the status-bar item, stored reports.
 *
 * Only the notebook tracker (and, for outputs, the registry of renderers) is required, so that Notebook 7 loads them too.
 */
import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { addCommands, CommandIDs } from './commands';
import { Marks } from './marks';
import { rendererFactory } from './mime';
import { NumguardModel } from './model';
import { Sidebar } from './sidebar';
import { StatusItem } from './statusbar';
import { INotebookState, INumguard } from './tokens';

export * from './tokens';

const NAME = 'jupyter-numguard';
const bundle = (translator: ITranslator | null) => (translator ?? nullTranslator).load('jupyter_numguard');

interface Settings {
  openOnFinding: boolean;
  marks: boolean;
  maxRows: number;
}

/** The reader's settings, now and after each change; without a registry the defaults. */
function follow(registry: ISettingRegistry | null, apply: (settings: Settings) => void): void {
  const defaults: Settings = { openOnFinding: false, marks: true, maxRows: 500 };
  void registry
    ?.load(`${NAME}:plugin`)
    .then(settings => {
      const update = () => apply({ ...defaults, ...(settings.composite as unknown as Settings) });
      settings.changed.connect(update);
      update();
    })
    .catch(reason => console.warn('numguard: the settings cannot be read', reason));
}

const model: JupyterFrontEndPlugin<INumguard> = {
  id: `${NAME}:model`,
  description: 'What numguard tells of each open notebook.',
  autoStart: true,
  provides: INumguard,
  requires: [INotebookTracker],
  activate: (_: JupyterFrontEnd, tracker: INotebookTracker) => new NumguardModel(tracker)
};

const panel: JupyterFrontEndPlugin<void> = {
  id: `${NAME}:plugin`,
  description: 'The side panel, its commands and its settings.',
  autoStart: true,
  requires: [INumguard],
  optional: [ITranslator, ILayoutRestorer, ICommandPalette, ISettingRegistry],
  activate: (
    app: JupyterFrontEnd,
    numguard: INumguard,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    registry: ISettingRegistry | null
  ) => {
    const trans = bundle(translator);
    let settings: Settings = { openOnFinding: false, marks: true, maxRows: 500 };
    const sidebar = new Sidebar(numguard, trans, () => settings);
    app.shell.add(sidebar, 'right', { rank: 850, type: 'Numguard' });
    restorer?.add(sidebar, sidebar.id);
    addCommands(app, numguard, sidebar, trans, palette);
    follow(registry, changed => {
      settings = changed;
      sidebar.update();
    });
    numguard.alarmed.connect((_, state) => {
      if (settings.openOnFinding && state === numguard.current && !sidebar.isVisible) {
        const active = document.activeElement as HTMLElement | null;
        app.shell.activateById(sidebar.id);
        // Opened by itself: the reader goes on typing where they were.
        window.requestAnimationFrame(() => active?.focus());
      }
    });
  }
};

const marks: JupyterFrontEndPlugin<void> = {
  id: `${NAME}:marks`,
  description: 'Marks the guilty expression in its cell.',
  autoStart: true,
  requires: [INumguard],
  optional: [ITranslator, ISettingRegistry],
  activate: (
    _: JupyterFrontEnd,
    numguard: INumguard,
    translator: ITranslator | null,
    registry: ISettingRegistry | null
  ) => {
    const trans = bundle(translator);
    const all = new Map<INotebookState, Marks>();
    let isOn = true;
    const markAll = () =>
      numguard.forEach(state => {
        if (!all.has(state)) {
          all.set(state, new Marks(state, trans, isOn));
          state.notebook.disposed.connect(() => all.delete(state));
        }
      });
    numguard.changed.connect(markAll);
    markAll();
    follow(registry, settings => {
      isOn = settings.marks;
      all.forEach(each => each.show(isOn));
    });
  }
};

const status: JupyterFrontEndPlugin<void> = {
  id: `${NAME}:status`,
  description: 'How many variables are non-finite, in the status bar.',
  autoStart: true,
  requires: [INumguard, IStatusBar],
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, numguard: INumguard, bar: IStatusBar, translator: ITranslator | null) => {
    const item = new StatusItem(numguard, bundle(translator), () => void app.commands.execute(CommandIDs.open));
    bar.registerStatusItem(`${NAME}:status`, {
      item,
      align: 'right',
      rank: 100,
      isActive: () => item.isActive,
      activeStateChanged: numguard.changed as never
    });
  }
};

const outputs: JupyterFrontEndPlugin<void> = {
  id: `${NAME}:outputs`,
  description: 'Draws the reports that are stored in notebooks.',
  autoStart: true,
  requires: [IRenderMimeRegistry, INumguard],
  optional: [INotebookTracker, ITranslator],
  activate: (
    _: JupyterFrontEnd,
    registry: IRenderMimeRegistry,
    numguard: INumguard,
    tracker: INotebookTracker | null,
    translator: ITranslator | null
  ) => registry.addFactory(rendererFactory(numguard, tracker, bundle(translator)), 40)
};

export default [model, panel, marks, status, outputs];
