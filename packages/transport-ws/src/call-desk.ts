// Answers the control calls of one connection: hello first, then what its admission allows. Calls
// are never mixed with verbs: they may take long, and no verb waits for one.

import { isPdpmError, PdpmError } from "@pdpm/base";
import {
  type ControlOperation,
  decodeControlBody,
  encodeControl,
  FrameKind,
  frameNumber,
  frameOperation,
  frameProtocolVersion,
  invalidControlFrame,
  outcomeNumber,
  statusNumber,
} from "@pdpm/layout/frame";
import { asFailure } from "@pdpm/verbs";
import { clientIdIn, countIn } from "./control.ts";
import { CloseCode, callsMost } from "./limits.ts";
import type { Connection, MemoryService } from "./service.ts";

/** Why a connection must end. */
export interface Refusal {
  readonly code: number;
  readonly reason: string;
}

type Body = Record<string, unknown>;

/** The longest text of a failure in an answer, in characters. */
const textMost = 2000;

/** See the head of this file. */
export class CallDesk {
  readonly #service: MemoryService;
  readonly #connection: Connection;
  readonly #send: (frame: Uint8Array) => void;
  #isKnown = false;
  #admission: "none" | "asked" | "given" = "none";
  #running = 0;

  /** `send` sends an answer, unless the connection has ended. */
  constructor(service: MemoryService, connection: Connection, send: (frame: Uint8Array) => void) {
    this.#service = service;
    this.#connection = connection;
    this.#send = send;
  }

  /** Whether it has said hello. */
  get isKnown(): boolean {
    return this.#isKnown;
  }

  /** Whether its client id was admitted. */
  get isAdmitted(): boolean {
    return this.#admission === "given";
  }

  /** Why a frame that is not one of rounds must end the connection, or null. */
  refusal(view: DataView): Refusal | null {
    const reason = invalidControlFrame(view, FrameKind.call);
    if (reason !== null) return malformed(reason);
    if (!this.#isKnown && frameOperation(view) !== "hello") return refused("hello comes first");
    return this.#running < callsMost ? null : refused(`more than ${callsMost} calls at once`);
  }

  /** Answers a call that was not refused. */
  take(view: DataView, message: Uint8Array): void {
    this.#running += 1;
    // #answer never rejects.
    void this.#answer(frameOperation(view) as ControlOperation, frameNumber(view), message);
  }

  async #answer(operation: ControlOperation, number: number, message: Uint8Array): Promise<void> {
    let frame: Uint8Array;
    try {
      const body = decodeControlBody(message);
      const answer = await this.#perform(operation, body);
      frame = encodeControl(FrameKind.answer, operation, number, answer);
    } catch (error) {
      const { code, text, outcome } = isPdpmError(error) ? error : asFailure(error);
      const answer = { text: text.slice(0, textMost) };
      const status = statusNumber[code];
      const unknown = outcomeNumber(outcome);
      frame = encodeControl(FrameKind.answer, operation, number, answer, status, unknown);
    }
    this.#running -= 1;
    if (!this.#connection.isEnded) this.#send(frame);
  }

  async #perform(operation: ControlOperation, body: Body): Promise<object> {
    switch (operation) {
      case "hello":
        return this.#hello(body);
      case "admit":
        return this.#admit(body);
      case "fence":
        this.#mustBeAdmitted(operation);
        await this.#service.fence(clientIdIn(body));
        return {};
      case "judge":
        return this.#service.judge(clientIdIn(body));
      case "extend":
        this.#mustBeAdmitted(operation);
        return { sizeBytes: await this.#service.extend(countIn(body, "sizeBytes")) };
      case "stats":
        return this.#service.stats();
    }
  }

  #mustBeAdmitted(operation: string): void {
    if (this.isAdmitted) return;
    throw new PdpmError("PDPM_FENCED", `${operation} needs an admitted client id`);
  }

  #hello({ protocol, credential }: Body): object {
    if (protocol !== frameProtocolVersion) {
      const text = `this node speaks protocol ${frameProtocolVersion}, not ${String(protocol)}`;
      throw new PdpmError("PDPM_UNSUPPORTED", text);
    }
    if (credential !== "") {
      throw new PdpmError("PDPM_INVALID_ARGUMENT", "this node knows no credentials");
    }
    this.#isKnown = true;
    return this.#service.hello();
  }

  async #admit(body: Body): Promise<object> {
    if (this.#admission !== "none") {
      throw new PdpmError("PDPM_INVALID_ARGUMENT", "a connection carries one client id");
    }
    const wanted = body["id"] === undefined ? undefined : clientIdIn(body);
    this.#admission = "asked";
    try {
      const id = await this.#service.admit(this.#connection, wanted);
      this.#admission = "given";
      return { id };
    } catch (error) {
      this.#admission = "none";
      throw error;
    }
  }
}

/** The connection sent what is no frame. */
export function malformed(reason: string): Refusal {
  return { code: CloseCode.malformed, reason: `malformed frame: ${reason}` };
}

/** The connection did what it may not. */
export function refused(reason: string): Refusal {
  return { code: CloseCode.policy, reason };
}
