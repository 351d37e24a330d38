// One memory node of a cluster, as a client reaches it: always a ws connection for control, and for
// verbs either that connection or the node's own file, mapped, when both are on one host.

import { statSync } from "node:fs";
import { dirname } from "node:path";
import type { Clock } from "@pdpm/base";
import { isPdpmError, PdpmError } from "@pdpm/base";
import { decodeStoreWord, type StoreLabel } from "@pdpm/layout/region-header";
import { bootId, type Lease, LeaseFiles, MappedFabric, MappedRegion } from "@pdpm/transport-mapped";
import { type NodeHello, WsNode } from "@pdpm/transport-ws";
import type { NodeFabric } from "@pdpm/verbs";
import { beginUse } from "./in-use-mark.ts";
import type { FoundLabel } from "./label-nodes.ts";
import type { Transport } from "./options.ts";
import type { ServerAddress } from "./url.ts";

/** A connected memory node. */
export class ClusterNode {
  readonly address: ServerAddress;
  readonly ws: WsNode;
  #clientId: number | undefined;
  #mapped: { readonly fabric: MappedFabric; readonly leases: LeaseFiles } | undefined;

  private constructor(address: ServerAddress, ws: WsNode) {
    this.address = address;
    this.ws = ws;
  }

  /**
   * Rejects with PDPM_UNAVAILABLE when it does not answer in time. `onFenced`: our id is refused.
   */
  static async connect(
    address: ServerAddress,
    clock: Clock,
    timeoutMs: number,
    onFenced: () => void,
  ): Promise<ClusterNode> {
    const url = `ws://${address.text}`;
    const connectTimeoutMs = Math.min(timeoutMs, 5000);
    const node = new ClusterNode(
      address,
      await WsNode.connect({
        url,
        clock,
        connectTimeoutMs,
        onFenced: () => {
          if (node.#mapped === undefined) onFenced();
          else node.#comeBack(onFenced);
        },
      }),
    );
    return node;
  }

  /** The label that its hello carried; undefined while the node is blank. */
  get label(): FoundLabel | undefined {
    const { storeId, storeWord } = this.ws.hello;
    if (storeId === null || storeWord === null) return undefined;
    const label: StoreLabel = decodeStoreWord(BigInt(`0x${storeWord}`));
    return { storeId: BigInt(`0x${storeId}`), label };
  }

  /** Takes an id, or this one, for the connection; see WsNode.admit. */
  async admit(id?: number): Promise<number> {
    this.#clientId = await this.ws.admit(id);
    return this.#clientId;
  }

  /** What verbs go through. */
  get fabric(): NodeFabric {
    return this.#mapped?.fabric ?? this.ws;
  }

  /** Its directory's lease files, if it is mapped. */
  get leases(): LeaseFiles | undefined {
    return this.#mapped?.leases;
  }

  /**
   * Shows at this node that client `id` lives, if the node is mapped. Rejects with PDPM_FENCED when
   * the id was fenced here before: nothing may be posted then.
   */
  async takeLease(clock: Clock, id: number): Promise<Lease | undefined> {
    const mapped = this.#mapped;
    if (mapped === undefined) return undefined;
    const { region } = mapped.fabric;
    const directory = dirname(region.file.path);
    const lease = await beginUse(clock, directory, region, async () => mapped.leases.take(id));
    try {
      const { alive } = await this.ws.judge(id);
      if (alive) return lease;
      throw new PdpmError("PDPM_FENCED", `client id ${id} was fenced at ${this.address.text}`);
    } catch (error) {
      lease.release();
      throw error;
    }
  }

  /**
   * Maps the node's file if `transport` wants that. @throws PDPM_UNAVAILABLE if it must and cannot.
   */
  map(clock: Clock, transport: Transport): void {
    if (transport === "ws") return;
    const { hello } = this.ws;
    const reason = whyNotMapped(hello);
    if (reason === null) {
      const directory = dirname(hello.region.path);
      const region = MappedRegion.open(directory, clock);
      const { device, inode } = region.file;
      if (device === hello.region.device && inode === hello.region.inode) {
        this.#mapped = {
          fabric: new GrownByNode(region, this.ws),
          leases: new LeaseFiles(directory),
        };
        return;
      }
      void region.close(); // Never rejects. It was replaced in this very moment.
    }
    if (transport === "auto") return;
    throw new PdpmError(
      "PDPM_UNAVAILABLE",
      `${this.address.text} cannot be mapped from here: ${reason ?? "its file was replaced"}`,
    );
  }

  /**
   * A mapped node's verbs do not pass through its process, and its new incarnation lets a client
   * that lives by its lease file keep its id (H19). What the node alone can do (grow, fence) needs
   * that id admitted again. A node that refuses it even so has fenced it.
   */
  #comeBack(onFenced: () => void): void {
    void this.ws.admit(this.#clientId).catch((error: unknown) => {
      if (isPdpmError(error) && error.code === "PDPM_FENCED") onFenced();
      // What else fails shows in the calls that need it; the next connection tries again.
    });
  }

  async close(): Promise<void> {
    await this.#mapped?.fabric.close();
    await this.ws.close();
  }
}

/** Space is asked of the node, which knows its own limit. */
class GrownByNode extends MappedFabric {
  readonly #node: WsNode;

  constructor(region: MappedRegion, node: WsNode) {
    super(region);
    this.#node = node;
  }

  override extend(sizeBytes: number): Promise<void> {
    return this.#node.extend(sizeBytes);
  }
}

function whyNotMapped(hello: NodeHello): string | null {
  const { path, device, inode } = hello.region;
  try {
    if (hello.bootId !== bootId()) return "it runs on another host";
    const found = statSync(path, { bigint: true });
    if (String(found.dev) === device && String(found.ino) === inode) return null;
    return `${path} is another file here`;
  } catch (error) {
    return `${path}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`;
  }
}
