// Clover behind the backend contract.
export { metadataServer } from "@pdpm/metadata-server/protocol";
