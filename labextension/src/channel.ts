/**
 * The comm to numguard in one kernel: opened by us, listened to, never asked anything.
 */
import { Kernel, KernelMessage } from '@jupyterlab/services';
import type { LiveMessage } from './contract';

const TARGET = 'numguard';
const SUBSHELLS = 'kernel subshells'; // JEP 91, one of the `supported_features`
const PATIENCE = 400; // ms that a kernel which rests needs to say what it is

/** Called with each message; `closed` once, when the kernel's side is gone (or was never there). */
export interface Listener {
  message(message: LiveMessage): void;
  closed(): void;
  /** Whether cells hold up the kernel's answers. JupyterLab's own status goes idle when a subshell does. */
  held(isHeld: boolean): void;
}

/**
 * Open the comm.
 *
 * While cells run or wait (`isBusy`, or nothing is answered) on a subshell of our own, where the kernel has them, else the
 * snapshot would wait behind them. An idle kernel answers at once, and needs none: ipykernel writes warnings into the
 * notebook when a subshell ends.
 *
 * @returns a function that closes it; null where `isWanted` said no meanwhile.
 */
export async function openChannel(
  kernel: Kernel.IKernelConnection,
  isBusy: () => boolean,
  isWanted: () => boolean,
  listener: Listener
): Promise<(() => void) | null> {
  const { hasSubshells, isHeld } = await knownOf(kernel);
  if (isWanted() && (isHeld || isBusy())) {
    listener.held(true);
    const free = () => listener.held(false);
    kernel.requestKernelInfo().then(free, free); // answered behind the cells
  }
  const subshell = hasSubshells && isWanted() && (isHeld || isBusy()) ? await startSubshell(kernel) : null;
  if (!isWanted() || kernel.isDisposed) {
    endSubshell(kernel, subshell);
    return null;
  }
  const comm = kernel.createComm(TARGET);
  // JupyterLab's own subshells for comms start once the shell channel has answered: too late.
  (comm as { commsOverSubshells?: string }).commsOverSubshells = 'disabled';
  comm.onMsg = (message: KernelMessage.ICommMsgMsg) => listener.message(message.content.data as unknown as LiveMessage);
  comm.onClose = () => listener.closed();
  const content = { comm_id: comm.commId, target_name: TARGET, data: {} };
  kernel.sendShellMessage(request(kernel, 'shell', 'comm_open', content, subshell));
  return () => {
    comm.onClose = () => undefined;
    comm.onMsg = () => undefined;
    if (!comm.isDisposed && !kernel.isDisposed) {
      try {
        comm.close();
      } catch {
        // The kernel went first.
      }
    }
    endSubshell(kernel, subshell);
    comm.dispose();
  };
}

/**
 * Whether the kernel has subshells, and whether a running cell holds up its answers.
 *
 * JupyterLab's own question waits on the shell channel behind the cell; the control channel has a thread of its own.
 */
async function knownOf(kernel: Kernel.IKernelConnection): Promise<{ hasSubshells: boolean; isHeld: boolean }> {
  const hasSubshells = (info: object): boolean =>
    ((info as { supported_features?: string[] }).supported_features ?? []).includes(SUBSHELLS);
  const onShell = kernel.info.then(info => ({ hasSubshells: hasSubshells(info), isHeld: false }));
  const first = await Promise.race([onShell, new Promise<null>(resolve => setTimeout(() => resolve(null), PATIENCE))]);
  if (first || kernel.isDisposed) {
    return first ?? { hasSubshells: false, isHeld: false };
  }
  const onControl = control(kernel, 'kernel_info_request').then(info => ({
    hasSubshells: hasSubshells(info),
    isHeld: true
  }));
  return Promise.race([onShell, onControl]);
}

async function startSubshell(kernel: Kernel.IKernelConnection): Promise<string | null> {
  const reply = (await control(kernel, 'create_subshell_request')) as { subshell_id?: string };
  return reply.subshell_id ?? null;
}

function endSubshell(kernel: Kernel.IKernelConnection, subshell_id: string | null): void {
  if (subshell_id !== null && !kernel.isDisposed) {
    void control(kernel, 'delete_subshell_request', { subshell_id });
  }
}

/** Ask on the control channel; a kernel that went away, or whose page closed, never answers. */
async function control(kernel: Kernel.IKernelConnection, type: string, content: object = {}): Promise<object> {
  try {
    const message = request(kernel, 'control', type, content) as unknown as KernelMessage.IControlMessage;
    const reply = await kernel.sendControlMessage(message as never, true).done;
    return (reply as { content: object }).content;
  } catch {
    return new Promise(() => undefined);
  }
}

/** A message to the kernel. The types of JupyterLab know fewer combinations than the protocol. */
function request(
  kernel: Kernel.IKernelConnection,
  channel: 'shell' | 'control',
  msgType: string,
  content: object,
  subshell: string | null = null
): KernelMessage.IShellMessage {
  const { clientId: session, username } = kernel;
  const options = { msgType, channel, content, session, username };
  const message = KernelMessage.createMessage(options as never) as unknown as KernelMessage.IShellMessage;
  if (subshell !== null) {
    (message.header as { subshell_id?: string }).subshell_id = subshell;
  }
  return message;
}
