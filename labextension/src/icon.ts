/**
 * The icon: a curve that leaves the frame.
 */
import { LabIcon } from '@jupyterlab/ui-components';
import svgstr from '../style/numguard.svg';

export const numguardIcon = new LabIcon({ name: 'jupyter-numguard:icon', svgstr });
