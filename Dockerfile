# gatecast serve in a container: torch's CPU build, a user without rights, all data in one volume.
#
#     docker build -t gatecast --build-arg TORCH_INDEX=... .   # the index of torch's CPU wheels, as its own site names it
#     docker run -p 127.0.0.1:8000:8000 -e GATECAST_TOKEN=$(openssl rand -hex 16) -v gatecast:/data gatecast
FROM python:3.11-slim

RUN useradd --system --uid 10001 --no-create-home --home-dir /data gatecast && install -d -o gatecast -g gatecast /data

WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src ./src
ARG TORCH_INDEX=""
RUN if [ -n "$TORCH_INDEX" ]; then pip install --no-cache-dir -c constraints.txt --index-url "$TORCH_INDEX" torch; fi
RUN pip install --no-cache-dir --disable-pip-version-check -c constraints.txt ".[serve,postgres,yahoo]"
RUN python -c "import sys, torch; sys.exit(torch.version.cuda and 'this torch carries CUDA; give TORCH_INDEX')"

ENV XDG_DATA_HOME=/data XDG_CACHE_HOME=/data/cache PYTHONUNBUFFERED=1
USER gatecast
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
# Beyond loopback the service demands a token: give it in GATECAST_TOKEN.
ENTRYPOINT ["gatecast", "serve", "--host", "0.0.0.0", "--port", "8000"]
