/**
 * The comm to numguard in one kernel: opened by us, listened to, never asked anything.
 */
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import type { LiveMessage } from './contract';

const TARGET = 'numguard';
const SUBSHELL_PATIENCE = 2000; // ms; the promise never settles on kernels without subshells

/** Called with each message; `closed` once, when the kernel's side is gone (or was never there). */
export interface Listener {
  message(message: LiveMessage): void;
  closed(): void;
}

/** JupyterLab 4.4 and later add this to a comm. */
type Comm = ReturnType<Kernel.IKernelConnection['createComm']> & { subshellStarted?: Promise<void> };

/**
 * Open the comm.
 *
 * While cells run or wait (`isBusy`) on a subshell, where the kernel has them, else the snapshot would wait behind it: `createComm` starts
 * the subshell asynchronously, and `kernel.info` must be there before it is known whether there are any. An idle kernel
 * answers at once, and needs none: ipykernel writes warnings into the notebook when a subshell ends.
 *
 * @returns a function that closes it; null where `isWanted` said no meanwhile.
 */
export async function openChannel(
  kernel: Kernel.IKernelConnection,
  isBusy: () => boolean,
  isWanted: () => boolean,
  listener: Listener
): Promise<(() => void) | null> {
  await kernel.info;
  if (!isWanted() || kernel.isDisposed) {
    return null;
  }
  const comm = kernel.createComm(TARGET) as Comm;
  if (!isBusy()) {
    (comm as { commsOverSubshells?: string }).commsOverSubshells = 'disabled';
  } else if ((kernel as { supportsSubshells?: boolean }).supportsSubshells && comm.subshellStarted) {
    const patience = new Promise<void>(resolve => setTimeout(resolve, SUBSHELL_PATIENCE));
    await Promise.race([comm.subshellStarted.catch(() => undefined), patience]);
  }
  if (!isWanted() || comm.isDisposed) {
    comm.dispose();
    return null;
  }
  comm.onMsg = (message: KernelMessage.ICommMsgMsg) => listener.message(message.content.data as unknown as LiveMessage);
  comm.onClose = () => listener.closed();
  comm.open();
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
    comm.dispose();
  };
}
