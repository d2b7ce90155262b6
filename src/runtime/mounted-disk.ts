/**
 * One disk made of several: paths below a mounted directory go to the disk that is mounted there, all others to the
 * base disk. A directory above a mount that is not the root belongs to the mounted disk, which has it.
 */
import { type Disk, DiskError, type DiskFile, type DiskUsage, type FileFacts } from '../base/disk.js';

export interface Mount {
  /** Absolute, without a slash at its end. */
  readonly directory: string;
  /** Asked for on first use. */
  readonly open: () => Disk;
}

export class MountedDisk implements Disk {
  private readonly opened = new Map<Mount, Disk>();

  constructor(
    private readonly base: Disk,
    private readonly mounts: readonly Mount[],
  ) {}

  open(path: string, options?: { readonly create?: boolean }): DiskFile {
    return this.diskOf(path).open(path, options);
  }

  readFile(path: string): Buffer | undefined {
    return this.diskOf(path).readFile(path);
  }

  writeFile(path: string, content: Uint8Array | string): void {
    this.diskOf(path).writeFile(path, content);
  }

  stat(path: string): FileFacts | undefined {
    return this.diskOf(path).stat(path);
  }

  list(directory: string): string[] {
    return this.diskOf(directory).list(directory);
  }

  makeDirectory(path: string): void {
    this.diskOf(path).makeDirectory(path);
  }

  remove(path: string): void {
    this.diskOf(path).remove(path);
  }

  removeTree(path: string): void {
    this.diskOf(path).removeTree(path);
  }

  rename(from: string, to: string): void {
    const disk = this.diskOf(from);
    if (this.diskOf(to) !== disk) throw new DiskError('EXDEV', from, 'rename', `${to} is on another disk`);
    disk.rename(from, to);
  }

  syncDirectory(path: string): void {
    this.diskOf(path).syncDirectory(path);
  }

  usage(path: string): DiskUsage {
    return this.diskOf(path).usage(path);
  }

  lock(path: string): { release(): void } {
    return this.diskOf(path).lock(path);
  }

  private diskOf(path: string): Disk {
    const mount =
      this.mounts.find(({ directory }) => path === directory || path.startsWith(`${directory}/`)) ??
      this.mounts.find(({ directory }) => path !== '/' && directory.startsWith(`${path}/`));
    if (mount === undefined) return this.base;
    let disk = this.opened.get(mount);
    if (disk === undefined) {
      disk = mount.open();
      this.opened.set(mount, disk);
    }
    return disk;
  }
}
