/**
 * Reports that are stored in the notebook: drawn by the same view, also in notebooks that are not trusted.
 */
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import type { Report } from './contract';
import { actionsFor } from './sidebar';
import { INumguard, REPORT_MIME } from './tokens';
import { Actions, renderReport } from './view/view';

class StoredReport extends Widget implements IRenderMime.IRenderer {
  constructor(private actions: (node: HTMLElement) => Actions) {
    super();
    this.addClass('jp-Numguard-output');
  }

  renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.report = model.data[REPORT_MIME] as unknown as Report;
    this.draw();
    return Promise.resolve();
  }

  /** Only now is it known in which notebook it stands. */
  protected onAfterAttach(): void {
    this.draw();
  }

  private draw(): void {
    renderReport(this.node, this.report, this.actions(this.node));
  }

  private report: Report | null = null;
}

/** `safe`: the view makes text nodes only, so it may draw what a stranger wrote. */
export const rendererFactory = (
  model: INumguard,
  tracker: INotebookTracker | null,
  trans: TranslationBundle
): IRenderMime.IRendererFactory => ({
  safe: true,
  mimeTypes: [REPORT_MIME],
  defaultRank: 40,
  createRenderer: () =>
    new StoredReport(node => {
      const notebook = tracker?.find(panel => panel.node.contains(node));
      const state = notebook && model.of(notebook);
      return state ? actionsFor(state, trans) : { translate: text => trans.__(text) };
    })
});
