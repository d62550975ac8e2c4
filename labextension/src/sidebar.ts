/**
 * The side panel: the current notebook's state in words, and its report.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import { applyEdits, canApply } from './fix';
import { numguardIcon } from './icon';
import { locate } from './locate';
import { goTo, indexOf, insertLoad, LOAD } from './notebook';
import { Pace } from './pace';
import type { INotebookState, INumguard } from './tokens';
import { button, Child, code, h } from './view/elements';
import { unlessPressed } from './view/press';
import { label } from './view/spelling';
import { cell } from './view/wording';
import { Actions, renderReport, select } from './view/view';
import type { Finding } from './contract';

export const PANEL_ID = 'jupyter-numguard-panel';
const SOON = 100; // ms after the first of several messages

/** What a view in this notebook can do. */
export function actionsFor(state: INotebookState, trans: TranslationBundle): Actions {
  const { notebook } = state;
  return {
    goTo: place => void goTo(notebook, place),
    apply: edits => void applyEdits(notebook, edits, trans),
    canApply: edits => canApply(notebook, edits),
    translate: text => trans.__(text)
  };
}

export class Sidebar extends Widget {
  constructor(
    private model: INumguard,
    private trans: TranslationBundle,
    private settings: () => { maxRows: number }
  ) {
    super();
    this.id = PANEL_ID;
    this.title.icon = numguardIcon;
    this.title.caption = 'numguard';
    this.node.setAttribute('role', 'complementary');
    this.node.setAttribute('aria-label', 'numguard');
    this.addClass('jp-Numguard-panel');
    this.head = h('h2', { class: 'jp-Numguard-head' });
    this.notice = h('div', { class: 'jp-Numguard-notice', role: 'status' });
    this.mutes = h('div', { class: 'jp-Numguard-mutes' });
    this.node.append(this.head, this.notice, h('div', { class: 'jp-Numguard-reports' }), this.mutes);
    this.node.tabIndex = -1;
    this.node.addEventListener('keydown', this.onKey);
    model.changed.connect(this.onChanged, this);
  }

  dispose(): void {
    this.node.removeEventListener('keydown', this.onKey);
    this.pace.dispose();
    super.dispose();
  }

  /** Show this finding of the current notebook. */
  choose(finding: Finding): void {
    const place = this.place();
    if (place) {
      this.draw();
      select(place, finding);
      this.draw();
    }
  }

  protected onAfterShow(_: Message): void {
    this.draw();
  }
  protected onActivateRequest(_: Message): void {
    this.draw();
    const first = this.node.querySelector<HTMLElement>('button, [tabindex="0"]');
    (first ?? this.node).focus();
  }
  protected onUpdateRequest(_: Message): void {
    if (this.isVisible) {
      unlessPressed(this.node, () => this.draw());
    }
  }

  private onChanged(): void {
    const content = this.model.current?.notebook.content ?? null;
    if (content !== this.edited) {
      this.edited?.modelContentChanged.disconnect(this.pace.onEdit, this.pace);
      this.edited = content;
      content?.modelContentChanged.connect(this.pace.onEdit, this.pace);
      this.update();
    }
    this.pace.onMessage();
  }

  /** Each notebook has a view of its own, so that what the reader opened and chose is there again. */
  private place(): HTMLElement | null {
    const notebook = this.model.current?.notebook;
    const reports = this.node.querySelector<HTMLElement>('.jp-Numguard-reports') as HTMLElement;
    if (!notebook) {
      reports.replaceChildren();
      return null;
    }
    let place = this.places.get(notebook);
    if (!place) {
      place = h('div');
      this.places.set(notebook, place);
    }
    if (reports.firstElementChild !== place) {
      reports.replaceChildren(place);
    }
    return place;
  }

  private draw(): void {
    const state = this.model.current;
    const place = this.place();
    const name = state ? label(state.notebook.title.label) : '';
    replace(this.head, 'numguard', h('span', { title: name }, name));
    replace(this.notice, ...this.noticeOf(state));
    replace(this.mutes, ...this.mutesOf(state));
    if (!state || !place) {
      return;
    }
    const report = state.report;
    place.hidden = !report && state.presence !== 'live';
    const isLive = state.presence === 'live';
    renderReport(place, report, {
      ...actionsFor(state, this.trans),
      history: isLive ? state.history : [],
      mute: isLive ? variable => void state.run(`mute ${variable}`) : undefined,
      maxRows: this.settings().maxRows
    });
  }

  private noticeOf(state: INotebookState | null): Child[] {
    const __ = this.trans.__.bind(this.trans);
    if (!state) {
      return [h('p', null, __('No notebook is open.'))];
    }
    const report = state.report;
    const stored =
      report && state.isStored
        ? [
            h(
              'p',
              null,
              this.trans.__('Below: the last report stored in this notebook, of %1.', cell(report.execution))
            )
          ]
        : [];
    const load = h(
      'div',
      { class: 'ng-buttons' },
      button(
        'load',
        () => this.model.current && insertLoad(this.model.current.notebook),
        this.trans.__('Insert %1', LOAD),
        'jp-Numguard-button'
      ),
      button('connect', () => void this.model.current?.connect(), __('Connect'), 'jp-Numguard-button')
    );
    switch (state.presence) {
      case 'no-kernel':
        return [h('p', null, __('This notebook has no kernel.')), ...stored];
      case 'starting':
        return [
          h(
            'p',
            null,
            state.isBusy ? __('A cell is running; the kernel answers when it ends.') : __('Waiting for the kernel…')
          ),
          ...stored
        ];
      case 'dead':
        return [h('p', null, __('The kernel died. Restart it and run the cells again.')), ...stored];
      case 'restarted':
        return [h('p', null, __('The kernel was restarted; numguard is not loaded in it.')), load, ...stored];
      case 'revived':
        return [
          h('p', null, __('The kernel died and was started again; numguard is not loaded in it.')),
          load,
          ...stored
        ];
      case 'absent':
        return [
          h('p', null, __('numguard is not loaded in this notebook. Put this on top and run it: '), code(LOAD)),
          load,
          ...stored
        ];
      case 'live':
        return [
          !state.watching &&
            h(
              'p',
              null,
              this.trans.__('The watch is off: only cells with %1 are checked. ', '%%numguard'),
              this.watchButton()
            ),
          state.isBusy && h('p', null, __('A cell is running; what stands here is from before.')),
          state.alarms.some(f => isEdited(state, f)) &&
            h('p', null, __('A cell was edited since it ran: run it again to see whether it helped.'))
        ];
    }
  }

  private watchButton(): HTMLElement {
    return button('watch on', () => void this.model.current?.run('on'), this.trans.__('Watch'), 'jp-Numguard-button');
  }

  private mutesOf(state: INotebookState | null): Child[] {
    if (!state?.muted.length || state.presence !== 'live') {
      return [];
    }
    const items = state.muted.map(variable =>
      h(
        'li',
        null,
        code(label(variable)),
        ' ',
        button(
          `unmute ${variable}`,
          () => void this.model.current?.run(`unmute ${variable}`),
          this.trans.__('Unmute'),
          'jp-Numguard-button'
        )
      )
    );
    return [h('h3', null, this.trans.__('Muted')), h('ul', null, items)];
  }

  private onKey = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') {
      event.preventDefault();
      event.stopPropagation();
      this.model.current?.notebook.content.activate();
    }
  };

  private head: HTMLElement;
  private notice: HTMLElement;
  private mutes: HTMLElement;
  private places = new WeakMap<Widget, HTMLElement>();
  private edited: INotebookState['notebook']['content'] | null = null;
  private pace = new Pace(() => this.update(), SOON);
}

/** Whether the origin's cell is there and no longer says what the finding says. */
function isEdited({ notebook }: INotebookState, { origin }: Finding): boolean {
  const cell = notebook.content.widgets[indexOf(notebook, origin?.execution ?? null)];
  return !!cell && !!origin && locate(cell.model.sharedModel.getSource(), origin) === null;
}

/** A live region speaks when it changes, and a button loses the focus: what says the same is left alone. */
function replace(element: HTMLElement, ...children: Child[]): void {
  const fresh = h('div', null, ...children);
  if (fresh.innerHTML !== element.innerHTML) {
    element.replaceChildren(...fresh.childNodes);
  }
}
