variable "apis" {
  description = "The APIs to make, by name: the kind (`REST`, `HTTP`), the URL of the backend, and the id of the source that Revenium is to count the API's usage under; without one, usage belongs to a source by its route."
  type = map(object({
    kind        = string
    backend_url = string
    source_id   = optional(string)
  }))
  nullable = false

  validation {
    condition     = alltrue([for api in var.apis : contains(["REST", "HTTP"], api.kind)])
    error_message = "`apis[*].kind` must be `REST` or `HTTP`. See examples/websocket for the third kind."
  }
}

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
  description = "Prefix of every name."
  type        = string
  default     = "revenium-apis"
  nullable    = false
}

variable "set_account_logging_role" {
  description = "Whether to set the role that API Gateway writes logs with. It is one setting for **all** REST and WebSocket APIs of the account and region: a role set before is replaced, and destroying the example takes the role away, after which none of them writes logs. Set it only where none is set yet."
  type        = bool
  default     = false
  nullable    = false
}
