"""Verdicts to an MQTT broker of the plant, through paho (an extra of the wheel; EPL-2.0 or BSD-3-Clause)."""

from typing import Any

from edge_agent.config import MqttConfig
from edge_agent.line.queued import SendFailed

NOT_AVAILABLE = "MQTT is not available on this device: install the extra with `pip install 'hybridai-edge-agent[mqtt]'`"
AT_LEAST_ONCE = 1
KEEP_ALIVE_S = 30


class MqttSender:
    """One connection, QoS 1: what `send` returned for, the broker has acknowledged. A repeated one is possible."""

    def __init__(self, config: MqttConfig) -> None:
        self._config = config
        # Any: the library is an extra, and may not be there.
        self._client: Any = None

    def send(self, body: bytes) -> None:
        try:
            if self._client is None:
                self._client = self._connected()
            sent = self._client.publish(self._config.topic, body, qos=AT_LEAST_ONCE)
            sent.wait_for_publish(self._config.timeout_s)
        except (OSError, ValueError, RuntimeError) as exc:
            self.close()
            raise SendFailed(f"{type(exc).__name__}: {exc}") from exc
        if not sent.is_published():
            # A new connection: what paho still holds would otherwise be sent beside the next try.
            self.close()
            raise SendFailed(f"the broker did not acknowledge within {self._config.timeout_s:.1f} s")

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()

    def _connected(self) -> Any:
        try:
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as exc:
            raise SendFailed(NOT_AVAILABLE) from exc
        config = self._config
        client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        client.connect_timeout = config.timeout_s
        if config.username:
            password = config.password_file.read_text().strip() if config.password_file else None
            client.username_pw_set(config.username, password)
        if config.ca_file:
            client.tls_set(ca_certs=str(config.ca_file))
        client.connect(config.host, config.port, keepalive=KEEP_ALIVE_S)
        client.loop_start()
        return client
