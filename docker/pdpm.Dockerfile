# Every role of pdpm: a memory node, and with another command any other verb.
# Build from the top folder: docker build -f docker/pdpm.Dockerfile -t pdpm .

FROM node:20-bookworm-slim AS build
WORKDIR /pdpm
COPY . .
# `npm ci` builds as well (the root's "prepare"); afterwards only what runs is kept.
RUN npm ci && npm prune --omit=dev --ignore-scripts

FROM node:20-bookworm-slim
ENV NODE_ENV=production
WORKDIR /pdpm
COPY --from=build /pdpm/package.json ./
COPY --from=build /pdpm/node_modules ./node_modules
COPY --from=build /pdpm/packages ./packages
RUN ln -s /pdpm/packages/cli/bin/pdpm.js /usr/local/bin/pdpm \
  && mkdir /data && chown node:node /data
USER node
VOLUME /data
ENTRYPOINT ["pdpm"]
CMD ["memory-node", "--dir", "/data", "--listen", "ws://127.0.0.1:7401"]
