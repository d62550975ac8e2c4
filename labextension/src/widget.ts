/**
 * The anywidget view of `panel.py`; bundled into `jupyter_numguard/static/panel.js`.
 */
import type { Report } from './contract';
import { HistoryEntry, renderReport } from './view/view';

interface Model {
  get(name: 'report'): Partial<Report>;
  get(name: 'history'): HistoryEntry[];
  on(event: string, callback: () => void): void;
  off(event: string, callback: () => void): void;
}

function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  const draw = () => renderReport(el, model.get('report'), { history: model.get('history') });
  draw();
  model.on('change:report', draw);
  model.on('change:history', draw);
  return () => {
    model.off('change:report', draw);
    model.off('change:history', draw);
  };
}

export default { render };
