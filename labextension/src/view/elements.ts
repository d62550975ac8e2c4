/**
 * Making elements. Text goes in as text: nothing here parses markup.
 */
const SVG = 'http://www.w3.org/2000/svg';

export type Child = Node | string | false | 0 | null | undefined | Child[];
type Listener = (event: any) => void;
export type Attributes = Record<string, string | number | boolean | null | undefined | Listener> | null;

function fill<E extends Element>(element: E, attributes: Attributes, children: Child[]): E {
  for (const [name, v] of Object.entries(attributes ?? {})) {
    if (v === null || v === undefined || v === false) {
      continue;
    }
    if (typeof v === 'function') {
      element.addEventListener(name.slice(2), v);
    } else {
      element.setAttribute(name, v === true ? '' : String(v));
    }
  }
  // Whatever is neither an element nor text (null, false, 0: a part that does not apply) is left out.
  const parts = (children as any[]).flat(Infinity) as Child[];
  element.append(...parts.filter((c): c is Node | string => c instanceof Node || (typeof c === 'string' && c !== '')));
  return element;
}

/** An HTML element; an attribute `onclick` is a listener. */
export const h = <K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = null,
  ...children: Child[]
): HTMLElementTagNameMap[K] => fill(document.createElement(name), attributes, children);

/** An SVG element. */
export const s = (name: string, attributes: Attributes, ...children: Child[]): SVGElement =>
  fill(document.createElementNS(SVG, name) as SVGElement, attributes, children);

export const quiet = (...children: Child[]): HTMLElement => h('div', { class: 'ng-q' }, ...children);
export const code = (...children: Child[]): HTMLElement => h('code', { dir: 'ltr' }, ...children);
/** A sentence in which what stands between backticks is code. */
export const sentence = (text: string): Child[] =>
  text.split(/`([^`]+)`/).map((part, i) => (i % 2 ? code(part) : part));
export const section = (head: string, ...children: Child[]): HTMLElement =>
  h(
    'div',
    { class: 'ng-section' },
    h('div', { class: 'ng-h', role: 'heading', 'aria-level': 3 }, h('b', null, head)),
    ...children
  );

/** A button that looks like text. `key` names it, so that the focus finds it when the view is drawn again. */
export const link = (key: string, onclick: () => void, attributes: Attributes, ...children: Child[]): HTMLElement =>
  h('button', { class: 'ng-plain', type: 'button', 'data-ng': key, onclick, ...attributes }, ...children);

export const button = (key: string, onclick: () => void, text: string, cls: string | null = null): HTMLElement =>
  h('button', { class: cls, type: 'button', 'data-ng': key, onclick }, text);
