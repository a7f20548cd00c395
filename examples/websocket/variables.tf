variable "revenium_api_key" {
  description = "Revenium API key. It is kept in Secrets Manager only; set it on every run, best as TF_VAR_revenium_api_key."
  type        = string
  ephemeral   = true
  sensitive   = true
}

variable "entitlement_url" {
  description = "Full URL of the entitlement check of an EU or private Revenium instance. Null is Revenium's public instance."
  type        = string
  default     = null
}

variable "metering_url" {
  description = "Base URL of the metering API of an EU or private Revenium instance. Null is Revenium's public instance."
  type        = string
  default     = null
}

variable "name" {
  description = "Name of the API and prefix of every other name."
  type        = string
  default     = "revenium-websocket"
  nullable    = false
}

variable "set_account_logging_role" {
  description = "Whether to set the role that API Gateway writes logs with. It is one setting for **all** REST and WebSocket APIs of the account and region: a role set before is replaced, and destroying the example takes the role away, after which none of them writes logs. Set it only where none is set yet."
  type        = bool
  default     = false
  nullable    = false
}
