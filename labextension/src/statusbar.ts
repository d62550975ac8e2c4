/**
 * The status-bar item: how many variables of the current notebook are non-finite.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import type { INumguard } from './tokens';

export class StatusItem extends Widget {
  constructor(
    private model: INumguard,
    private trans: TranslationBundle,
    private open: () => void
  ) {
    super({ node: document.createElement('button') });
    this.addClass('jp-Numguard-status');
    this.addClass('jp-StatusBar-TextItem');
    this.node.addEventListener('click', this.open);
    model.changed.connect(this.update, this);
    this.update();
  }

  dispose(): void {
    this.node.removeEventListener('click', this.open);
    super.dispose();
  }

  /** Whether there is something to say of the current notebook. */
  get isActive(): boolean {
    return this.model.current?.presence === 'live';
  }

  protected onUpdateRequest(): void {
    const state = this.model.current;
    const n = state?.alarms.length ?? 0;
    const words = n
      ? this.trans._n('✕ %1 non-finite', '✕ %1 non-finite', n)
      : state?.watching
        ? this.trans.__('✓ finite')
        : this.trans.__('off');
    this.node.textContent = `numguard: ${words}`;
    this.node.title = this.trans.__('Open the numguard panel');
  }
}
