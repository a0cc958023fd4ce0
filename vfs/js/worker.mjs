/** Decodes packs beside a page whose policy forbids a worker made of the page's own code (`unpacker.mjs`). */
import { unpackInWorker } from "./index.mjs";

unpackInWorker();
