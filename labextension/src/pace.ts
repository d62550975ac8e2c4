/**
 * When a view is drawn anew: once for many messages, and once typing has paused.
 */

import { Signal } from '@lumino/signaling';

const PAUSE = 300; // ms after the last key press

export class Pace {
  /** Calls `update`, after messages at most once in `every` ms. */
  constructor(
    private update: () => void,
    private every: number
  ) {}

  /** What waits is not drawn any more. */
  dispose(): void {
    window.clearTimeout(this.soon);
    window.clearTimeout(this.paused);
    Signal.clearData(this);
  }

  /** A message came: cells that run fast one after the other do not hold up the page. */
  onMessage(): void {
    if (!this.soon) {
      this.soon = window.setTimeout(() => {
        this.soon = 0;
        this.update();
      }, this.every);
    }
  }

  /** A key was pressed. */
  onEdit(): void {
    window.clearTimeout(this.paused);
    this.paused = window.setTimeout(() => this.update(), PAUSE);
  }

  private soon = 0;
  private paused = 0;
}
