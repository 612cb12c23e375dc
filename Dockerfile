# gatecast serve on the CPU build of torch, as a user without rights, its data on a volume.
FROM python:3.11-slim
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src ./src
RUN pip install --no-cache-dir -c constraints.txt '.[serve,postgres]' \
    && useradd --create-home --uid 10001 gatecast \
    && mkdir /data && chown gatecast /data
USER gatecast
ENV XDG_DATA_HOME=/data XDG_CACHE_HOME=/data/cache
VOLUME /data
EXPOSE 8000
# GATECAST_TOKEN must be given: beyond loopback the service demands a token.
CMD ["gatecast", "serve", "--host", "0.0.0.0"]
