/**
 * No drawing under a pressed pointer: a button that is replaced between press and release is not clicked.
 */

interface Press {
  isDown: boolean;
  /** The latest drawing that was asked for meanwhile. */
  waiting: (() => void) | null;
}
const presses = new WeakMap<HTMLElement, Press>();

/** Call `draw`, which replaces what is in `el`: at once, or after the pointer that is pressed in `el` is released. */
export function unlessPressed(el: HTMLElement, draw: () => void): void {
  const press = presses.get(el) ?? observe(el);
  if (press.isDown) {
    press.waiting = draw;
  } else {
    draw();
  }
}

function observe(el: HTMLElement): Press {
  const press: Press = { isDown: false, waiting: null };
  const page = el.ownerDocument;
  const release = () => {
    page.removeEventListener('pointerup', release, true);
    page.removeEventListener('pointercancel', release, true);
    press.isDown = false;
    // The click follows the release: it is still for what was pressed.
    window.setTimeout(() => {
      const { waiting } = press;
      press.waiting = null;
      waiting?.();
    });
  };
  el.addEventListener('pointerdown', event => {
    if (event.button === 0) {
      press.isDown = true;
      page.addEventListener('pointerup', release, true);
      page.addEventListener('pointercancel', release, true);
    }
  });
  presses.set(el, press);
  return press;
}
