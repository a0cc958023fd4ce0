/** Started by `unpacker.mjs`: decodes packs beside the page. */
import { unpackInWorker } from "./index.mjs";

unpackInWorker();
