variable "revenium_api_key" {
  description = "Revenium API key. It is kept in Secrets Manager only; set it on every run, best as TF_VAR_revenium_api_key."
  type        = string
  ephemeral   = true
  sensitive   = true
}

variable "metering_url" {
  description = "Base URL of the metering API of an EU or private Revenium instance. Null is Revenium's public instance."
  type        = string
  default     = null
}

variable "name" {
  description = "Prefix of every name."
  type        = string
  default     = "revenium-stages"
  nullable    = false
}

variable "stages" {
  description = "The stages to meter, by a name of your choice that stays: kind of the API (`REST`, `HTTP`, `WEBSOCKET`), its id, the stage's name, and whether to take over a stage that logs elsewhere now."
  type = map(object({
    kind             = string
    api_id           = string
    stage            = string
    replace_existing = optional(bool, false)
  }))
  nullable = false
}
