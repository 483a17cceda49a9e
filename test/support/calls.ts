import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { copyPrograms, copyPythonModules } from './programs.ts';

/** A call of the kernel to be tried: its number and arguments, a text being put into memory and its address given. */
export interface Call {
  readonly number: number;
  readonly args: readonly (number | string)[];
  /** By the old way of 32-bit x86, `int 0x80`. */
  readonly on32bits?: true;
}

/**
 * Makes each call in a child of its own, so that what it changes or ends is that child, and prints what it gives: a
 * number, the name of the error, or `killed` and the signal. Machine code of `int80` (x86-64): push rbx; mov eax, edi;
 * mov ebx, esi; xchg ecx, edx; int 0x80; cdqe; pop rbx; ret.
 */
const program = `
import ctypes, errno, json, mmap, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes.fromhex('5389f889f387d1cd8048985bc3'))
int80 = ctypes.CFUNCTYPE(ctypes.c_long, *[ctypes.c_long] * 4)(ctypes.addressof(ctypes.c_char.from_buffer(code)))

def value(argument):
    return ctypes.c_char_p(argument.encode()) if isinstance(argument, str) else ctypes.c_ulong(argument)

def attempt(call):
    if call.get('on32bits'):
        result = int80(call['number'], *(call['args'] + [0, 0, 0])[:3])
        return errno.errorcode[-result] if -4096 < result < 0 else 'done'
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(call['number']), *map(value, call['args']))
    return 'done' if result != -1 else errno.errorcode[ctypes.get_errno()]

answers = []
for call in json.loads(sys.argv[1]):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        answer = attempt(call).encode()
        os.write(writer, answer)
        os._exit(0)
    os.close(writer)
    status = os.waitpid(child, 0)[1]
    answer = os.read(reader, 64).decode()
    os.close(reader)
    answers.append('killed ' + signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else answer)
print(json.dumps(answers))
`;

/** Puts the program that tries calls into a root file system. Run it with {@link callsCommand}. */
export async function installCalls(rootfs: string): Promise<void> {
  await copyPrograms(rootfs, ['/usr/bin/python3']);
  await copyPythonModules(rootfs, ['ctypes', 'json', 'mmap', 'signal']);
  writeFileSync(join(rootfs, 'calls.py'), program);
}

/** Its output's only line is a JSON array: `done`, the name of an error, or `killed SIG…` for each call. */
export function callsCommand(calls: readonly Call[]): readonly string[] {
  return ['/usr/bin/python3', '/calls.py', JSON.stringify(calls)];
}
